"""Chooses threshold and temperature on `val`, and writes them into the model file."""

import dataclasses
from pathlib import Path

import keras

from examples.deepfake_v3.evaluation.calibration import fit_temperature
from examples.deepfake_v3.evaluation.metrics import (
    Criterion,
    check_criterion,
    find_optimal_threshold,
)
from examples.deepfake_v3.evaluation.scoring import run_on_images
from examples.deepfake_v3.loading.data import ImageList, check_data_dir
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.loading.pipeline import Pipeline
from examples.deepfake_v3.mirror import without_mirror
from examples.deepfake_v3.model import load_detector
from examples.deepfake_v3.model_files.metadata import (
    Metadata,
    MetadataError,
    fingerprint,
    has_metadata,
    read_metadata,
    replace_metadata,
    saved_by,
)
from examples.deepfake_v3.training.distribution import (
    on_one_device,
    statistics_of_one_device,
)
from examples.deepfake_v3.training.progress import save_model
from keras_forensics.layers import ForensicStreamV3

BATCH_SIZE = 48
"""Images per prediction step. Scores depend on it in their last digits, so that all
commands share it."""
USUAL_GATE_IMAGES = 200  # of each class, whose mean gate is the usual one


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """Choose threshold and temperature on val, and write them into the model file.

    train and fine-tune end with this. It is for other models, other val images, or
    another criterion.
    """

    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The trained model, a .keras file. It is replaced by itself with new metadata."""
    data_dir: str = "data/processed"
    """Directory with val/{real,fake}."""
    threshold_criterion: Criterion = "f1"
    """What the threshold must serve best: F1, Youden's J, or recall and specificity
    balanced."""
    reports_dir: str = "reports"
    """Where quarantine.csv is written."""
    batch_size: int = BATCH_SIZE
    """Images per prediction step."""
    pipeline: Pipeline = "auto"
    """Input pipeline; auto is tf on TensorFlow, grain elsewhere."""


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
    print(
        f"{config.model_path}: threshold {metadata.threshold:.4f} "
        f"({metadata.threshold_criterion}), temperature {metadata.temperature:.4f}, "
        f"chosen on {metadata.val_images} images of {config.data_dir}."
    )
    return metadata


def calibrate(
    model: keras.Model,
    val: ImageList,
    lost: LostImages,
    *,
    training_data: str | None,
    keras_version: str = keras.__version__,
    criterion: Criterion = "f1",
    batch_size: int = BATCH_SIZE,
    pipeline: Pipeline = "auto",
) -> Metadata:
    """What a model's file is to carry, by its scores of the validation images."""
    outputs, read = run_on_images(
        model, val, lost, batch_size=batch_size, pipeline=pipeline
    )
    scores, labels = outputs[:, 0], val.labels[read]
    return Metadata(
        keras_version=keras_version,
        image_size=model.input_shape[1],
        training_data=training_data,
        threshold=find_optimal_threshold(labels, scores, criterion),
        threshold_criterion=criterion,
        temperature=fit_temperature(labels, scores),
        val_images=len(labels),
        usual_gate=_usual_gate(model, val, lost, pipeline),
    )


def save_calibrated(
    model: keras.Model,
    path: Path,
    images: dict[str, ImageList],
    data_dir: str | Path,
    lost: LostImages,
    pipeline: Pipeline = "auto",
) -> Metadata:
    """Saves a trained model with its metadata, as one file that is always whole.

    Args:
        model: The detector.
        path: The file.
        images: Those of train and val that the model was trained with.
        data_dir: Directory that their names are taken below.
        lost: Images that were lost in training; what is lost now is reported there.
        pipeline: Input pipeline.

    Raises:
        LostImagesError: If too many of the val images can no longer be read.
        OSError: If the file cannot be written.
    """
    left_out = LostImages(lost.report_path, replaced=False)
    left_out.reasons |= lost.reasons  # reported already
    with statistics_of_one_device(model):
        config, weights = model.get_config(), model.get_weights()

    def calibrate_copy() -> Metadata:
        copy = keras.Model.from_config(config)
        copy.set_weights(weights)
        return calibrate(
            copy,
            images["val"],
            left_out,
            training_data=fingerprint(images["train"], data_dir),
            pipeline=pipeline,
        )

    metadata = on_one_device(calibrate_copy)
    save_model(model, path, metadata)
    return metadata


def _usual_gate(
    model: keras.Model, val: ImageList, lost: LostImages, pipeline: Pipeline
) -> tuple[float, ...] | None:
    """The mean gate over some images, with four digits; None for other models."""
    model = without_mirror(model)
    streams = [layer for layer in model.layers if isinstance(layer, ForensicStreamV3)]
    if len(streams) != 1:
        return None
    gates, _ = run_on_images(
        keras.Model(model.input, streams[0].output),
        val.limited(USUAL_GATE_IMAGES, seed=0),
        lost,
        batch_size=BATCH_SIZE,
        pipeline=pipeline,
    )
    return tuple(round(gate, 4) for gate in gates.mean(axis=0).tolist())


def _known_training_data(path: str | Path) -> str | None:
    if not has_metadata(path):
        return None
    try:
        return read_metadata(path).training_data
    except MetadataError as error:
        print(f"The old metadata are not used: {error}")
        return None
