"""The options of `explain`."""

import dataclasses

import tyro

from examples.deepfake_v3.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Draw what the verdict on an image depends on, one picture an image.

    The exit code is 0 if there is a picture of each, 3 if some files could not be read.
    """

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Files, folders (with their subfolders), globs in quotes, or - for a list of
    paths, one a line, on standard input."""
    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The model, a .keras file that train, fine-tune or calibrate has written."""
    expected_sha256: str | None = None
    """Hash of the model file, kept elsewhere; any other file is refused."""
    output_dir: str = "explanations"
    """Where the pictures are written, NAME.png for each image."""

    def __post_init__(self):
        if not self.sources:
            raise InputError(
                "`sources` must name what to explain: files, folders, globs or '-'. "
                "Received: sources=()"
            )
