"""Augmentation that preserves traces: nothing here interpolates between pixels."""

import keras
from keras import ops


class RandomShift(keras.layers.Layer):
    """Moves each image by whole pixels; what comes in at the border is a reflection.

    Args:
        factor: Largest shift along each axis, as a part of the side.
        seed: Seed of the random draws.
    """

    def __init__(self, factor: float, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        for axis in (1, 2):
            images = self._shifted(images, axis)
        return images

    def _shifted(self, images, axis):
        size = images.shape[axis]
        most = round(self.factor * size)
        others = [1, 1, 1, 1]
        shifts = keras.random.randint(
            (ops.shape(images)[0], *others[1:]),
            -most,
            most + 1,
            seed=self.seed_generator,
        )
        others[axis] = size
        places = ops.reshape(ops.arange(size), others) + shifts
        # Places outside are folded back, without the border itself: -1 becomes 1.
        places = ops.abs(places)
        places = (size - 1) - ops.abs((size - 1) - places)
        return ops.take_along_axis(images, places, axis=axis)


def build_augmentation(seed: int = 0) -> keras.Sequential:
    """Horizontal flips, small shifts and random erasing.

    Quarter turns and changes of brightness and contrast are left out on purpose: with
    them, detectors were worse on val.

    Args:
        seed: Seed of the random draws.

    Returns:
        Model of `(batch, size, size, 3)` images in grey levels 0..255, float32. It
        computes in float32 under any policy, since 16 bits would quantise.
    """
    layers = keras.layers
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal", seed=seed, dtype="float32"),
            RandomShift(0.1, seed + 1, dtype="float32"),
            # A single number would draw the chance from 0 to it.
            layers.RandomErasing(
                (0.25, 0.25),
                scale=(0.02, 0.1),
                fill_value=127.0,
                value_range=(0, 255),
                seed=seed + 2,
                dtype="float32",
            ),
        ],
        name="augmentation",
    )
