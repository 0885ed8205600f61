"""Chooses threshold and temperature on `val`, and writes them into the model file."""

import dataclasses
from pathlib import Path

from examples.deepfake_v3.checks import check_criterion
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.model_files.metadata import (
    Metadata,
    MetadataError,
    has_metadata,
    read_metadata,
    replace_metadata,
    saved_by,
)
from examples.deepfake_v3.options.calibrate import CalibrateConfig
from examples.deepfake_v3.training.calibrate import calibrate, say_threshold


def calibrate_model_v3(config: CalibrateConfig | None = None, **overrides) -> Metadata:
    """Writes threshold and temperature for a data set into a model file.

    What the file says of the data that it was trained on is kept, if it says anything
    and is whole; the images of `data_dir` need not be those.

    Args:
        config: The options; None for the defaults.
        **overrides: Fields of `CalibrateConfig` by name.

    Returns:
        What the file carries now.

    Raises:
        FileNotFoundError: If there is no model or directory where one is named.
        OSError: If the file cannot be written.
        ValueError: If an option, the data or the model cannot be used.
        TypeError: If an override is no field of `CalibrateConfig`.
    """
    config = dataclasses.replace(config or CalibrateConfig(), **overrides)
    check_criterion("threshold_criterion", config.threshold_criterion)
    model = load_detector(config.model_path)
    report_path = Path(config.reports_dir) / "quarantine.csv"
    val = check_data_dir(config.data_dir, ("val",), report_path)["val"]
    metadata = calibrate(
        model,
        val,
        LostImages(report_path, replaced=False),
        training_data=_known_training_data(config.model_path),
        keras_version=saved_by(config.model_path),
        criterion=config.threshold_criterion,
        batch_size=config.batch_size,
        pipeline=config.pipeline,
    )
    replace_metadata(config.model_path, metadata)
    print(f"Saved {config.model_path}, with what was chosen on {config.data_dir}.")
    say_threshold(metadata)
    return metadata


def _known_training_data(path: str | Path) -> str | None:
    if not has_metadata(path):
        return None
    try:
        return read_metadata(path).training_data
    except MetadataError as error:
        print(f"The old metadata are not used: {error}")
        return None
