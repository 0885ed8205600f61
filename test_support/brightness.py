"""A detector whose scores can be told beforehand, and images for it."""

import keras
import numpy as np
from PIL import Image

from examples.deepfake_v3.model_files.metadata import Metadata, replace_metadata
from keras_forensics import __version__

SIZE = 32


def save_brightness_model(path, bias=0.0):
    """Saves a model whose score is the mean grey level / 255, shifted by `bias`."""
    images = keras.Input((SIZE, SIZE, 3))
    grey = keras.layers.GlobalAveragePooling2D()(images)
    score = keras.layers.Dense(1, "relu", name="score")(grey)
    model = keras.Model(images, score)
    model.get_layer("score").set_weights(
        [np.full((3, 1), 1 / 765, "float32"), np.array([bias], "float32")]
    )
    model.save(path)


def metadata_with(threshold, image_size=SIZE):
    """What `calibrate` would store beside a model."""
    return Metadata(
        package_version=__version__,
        keras_version=keras.__version__,
        image_size=image_size,
        training_data=None,
        threshold=threshold,
        threshold_criterion="f1",
        temperature=2.0,
        val_images=4,
    )


def save_brightness_detector(path, threshold):
    """Saves the model with what a detector needs besides."""
    save_brightness_model(path)
    replace_metadata(path, metadata_with(threshold))


def write_images(directory, grey_levels):
    """Flat images: `{"val": ([real levels], [fake levels]), …}`."""
    for split, classes in grey_levels.items():
        for name, levels in zip(("real", "fake"), classes, strict=True):
            folder = directory / split / name
            folder.mkdir(parents=True)
            for index, level in enumerate(levels):
                image = np.full((SIZE, SIZE, 3), level, np.uint8)
                Image.fromarray(image).save(folder / f"{index}.png")
