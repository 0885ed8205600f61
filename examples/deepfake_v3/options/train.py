"""The options of `train`."""

import dataclasses

from examples.deepfake_v3.checks import check_model_path, check_range
from examples.deepfake_v3.options.training import TrainingOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingOptions):
    """Train the detector with a frozen backbone."""

    data_dir: str = "data/processed"
    """Images, as data_dir/{train,val,test}/{real,fake}."""
    model_save_path: str = "models/deepfake_detector_v3.keras"
    """Where the model of the best epoch is saved. While training goes on, it is in
    *_best.keras, which stays."""
    weights: str | None = "imagenet"
    """Backbone weights: imagenet, a .h5 file, or None for random ones."""
    image_size: int = 224
    """Side of the square that is cropped from each image, in pixels."""
    visual_size: int | None = None
    """Side in pixels to which the visual stream scales its input: larger, for images
    that are small by nature, or smaller, to save time; left out: image_size. The
    forensic stream sees the pixels as they are."""
    alpha: float = 1.0
    """Width of MobileNetV2."""
    dropout: float = 0.3
    """Dropout rate in the head."""
    epochs: int = 15
    """Epochs at the most."""
    batch_size: int = 64
    """Images a step."""
    learning_rate: float = 1e-3
    """Peak learning rate."""

    def __post_init__(self):
        super().__post_init__()
        check_model_path("model_save_path", self.model_save_path)
        check_range("image_size", self.image_size, 32)
        if self.visual_size is not None:
            check_range("visual_size", self.visual_size, 32)
        check_range("epochs", self.epochs, 1)
        check_range("batch_size", self.batch_size, 1)
