"""What training leaves: the calibrated model, and the card beside it."""

from collections.abc import Mapping
from pathlib import Path

import keras

from examples.deepfake_v3.cards.model_card import Training, write_training_card
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.training.calibrate import save_calibrated, say_threshold
from examples.deepfake_v3.training.distribution import current_cluster
from examples.deepfake_v3.training.precision import policy_of
from examples.deepfake_v3.training.stage import choose_images


def save_trained(
    model: keras.Model,
    path: Path,
    *,
    command: str,
    config,
    images: Mapping[str, ImageList],
    lost: LostImages,
    stages: Mapping[str, list[dict[str, float]]],
    base: str | Path | None = None,
) -> None:
    """Saves a model with threshold and temperature, and writes its card.

    Args:
        model: The detector, with the weights of its best epoch.
        path: The model's file.
        command: What trained it, such as "fine-tune".
        config: The options of that command.
        images: All images of the data set, by split.
        lost: Images that were lost in training.
        stages: Logs of every epoch, by the stage's name.
        base: The model that training started from, if it was one.

    Raises:
        LostImagesError: If too many of the val images can no longer be read.
        OSError: If a file cannot be written.
    """
    path = current_cluster().output(path)
    images = {**images, **choose_images(images, config)}
    metadata = save_calibrated(
        model, path, images, config.data_dir, lost, config.pipeline
    )
    say_threshold(metadata)
    training = Training(
        command=command,
        config=config,
        dtype_policy=policy_of(model).name,
        images=images,
        stages=stages,
        base=base,
    )
    write_training_card(path, training, metadata)
