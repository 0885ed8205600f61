"""Threshold and temperature of a model, and the file that carries them."""

from pathlib import Path

import keras

from examples.deepfake_v3.checks import CRITERION, Criterion
from examples.deepfake_v3.evaluation.calibration import fit_temperature
from examples.deepfake_v3.evaluation.evidence import measure_evidence
from examples.deepfake_v3.evaluation.metrics import find_optimal_threshold
from examples.deepfake_v3.evaluation.scoring import run_on_images
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.mirror import without_mirror
from examples.deepfake_v3.model_files.metadata import (
    Metadata,
    fingerprint,
)
from examples.deepfake_v3.model_files.saving import save_model, statistics_of_one_device
from examples.deepfake_v3.options.choices import BATCH_SIZE, Pipeline
from examples.deepfake_v3.training.distribution import on_one_device
from keras_forensics import __version__
from keras_forensics.layers import ForensicStreamV3

USUAL_GATE_IMAGES = 200  # of each class, whose mean gate is the usual one


def calibrate(
    model: keras.Model,
    val: ImageList,
    lost: LostImages,
    *,
    training_data: str | None,
    keras_version: str = keras.__version__,
    criterion: Criterion = CRITERION,
    batch_size: int = BATCH_SIZE,
    pipeline: Pipeline = "auto",
) -> Metadata:
    """What a model's file is to carry, by its scores of the validation images."""
    outputs, read = run_on_images(
        model, val, lost, batch_size=batch_size, pipeline=pipeline
    )
    scores, labels = outputs[:, 0], val.labels[read]
    threshold = find_optimal_threshold(labels, scores, criterion)
    return Metadata(
        package_version=__version__,
        keras_version=keras_version,
        image_size=model.input_shape[1],
        training_data=training_data,
        threshold=threshold,
        threshold_criterion=criterion,
        temperature=fit_temperature(labels, scores),
        val_images=len(labels),
        evidence=measure_evidence(labels, scores, threshold),
        usual_gate=_usual_gate(model, val, lost, pipeline),
    )


def say_threshold(metadata: Metadata) -> None:
    """Prints a threshold with what stands behind it, and warns where that is weak."""
    numbers = f": {metadata.evidence.describe()}" if metadata.evidence else ""
    print(
        f"Threshold {metadata.threshold:.4f} ({metadata.threshold_criterion}), "
        f"temperature {metadata.temperature:.4f}, chosen on {metadata.val_images} "
        f"images of val{numbers}."
    )
    for sentence in metadata.weaknesses():
        print(f"WARNING: {sentence}")


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
