"""The options of `export`."""

import dataclasses

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.options.choices import EXPORTS, FormatName


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Write a detector for other runtimes, and compare each file with Keras."""

    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The trained model, a .keras file."""
    formats: tuple[FormatName, ...] = (
        "savedmodel",
        "onnx",
        "litert",
        "litert-float16",
        "litert-int8",
        "openvino",
    )
    """What to write. On the TensorFlow backend all can be written."""
    data_dir: str = "data/processed"
    """Directory with test/{real,fake}, and for litert-int8 val/{real,fake}."""
    output_dir: str = EXPORTS
    """Where the files are written, named like the model, and their report."""
    images: int = 500
    """Test images that each file and Keras both score, half of each class."""
    calibration_images: int = 200
    """Val images by which litert-int8 chooses its ranges, half of each class."""
    rounds: int = 10
    """How often each file and Keras are timed, in alternation, a batch size; 0 for
    never."""

    def __post_init__(self):
        for name in ("images", "calibration_images"):
            if getattr(self, name) < 2:
                raise InputError(
                    f"`{name}` must be at least 2, one a class. "
                    f"Received: {name}={getattr(self, name)}"
                )
        if not self.formats or self.rounds < 0:
            raise InputError(
                "`formats` must name one at least, and `rounds` be 0 or more. "
                f"Received: formats={self.formats}, rounds={self.rounds}"
            )
