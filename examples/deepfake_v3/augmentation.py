"""Augmentation that preserves traces: nothing here interpolates between pixels."""

import keras
from keras import ops


class RandomTranspose(keras.layers.Layer):
    """Swaps rows and columns of every second square image, drawn at random.

    Together with random flips this gives all quarter turns, without interpolation.
    """

    def __init__(self, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        chance = keras.random.uniform(
            (ops.shape(images)[0], 1, 1, 1), seed=self.seed_generator
        )
        return ops.where(chance < 0.5, ops.transpose(images, (0, 2, 1, 3)), images)


class RoundGreyLevels(keras.layers.Layer):
    """Rounds to whole grey levels, as an image file would."""

    def call(self, images):
        return ops.round(images)


def build_augmentation(seed: int = 0) -> keras.Sequential:
    """Flips, quarter turns, mild photometric change and random erasing.

    Args:
        seed: Seed of the random draws.

    Returns:
        Model of `(batch, size, size, 3)` images in grey levels 0..255, float32. It
        computes in float32 under any policy, since 16 bits would quantise.
    """
    grey_levels = {"value_range": (0, 255), "dtype": "float32"}
    layers = keras.layers
    return keras.Sequential(
        [
            # "horizontal_and_vertical" would flip both ways or not at all.
            layers.RandomFlip("horizontal", seed=seed, dtype="float32"),
            layers.RandomFlip("vertical", seed=seed + 1, dtype="float32"),
            RandomTranspose(seed + 2, dtype="float32"),
            layers.RandomBrightness(0.1, seed=seed + 3, **grey_levels),
            layers.RandomContrast(0.1, seed=seed + 4, **grey_levels),
            RoundGreyLevels(dtype="float32"),
            # A single number would draw the chance from 0 to it.
            layers.RandomErasing(
                (0.25, 0.25),
                scale=(0.02, 0.1),
                fill_value=127.0,
                seed=seed + 5,
                **grey_levels,
            ),
        ],
        name="augmentation",
    )
