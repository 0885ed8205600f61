"""Augmentation that preserves traces: nothing here interpolates between pixels."""

import keras
from keras import ops

from examples.deepfake_v3.options.choices import JpegPer
from keras_forensics import RandomJPEGCompression


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
        count = ops.shape(images)[0]
        height, width, channels = images.shape[1:]
        rows = self._places(count, height)
        columns = self._places(count, width)
        # One gather of whole pixels: one along each axis copies number by number.
        places = (ops.arange(count)[:, None] * height + rows)[:, :, None] * width
        places = ops.reshape(places + columns[:, None, :], (-1,))
        pixels = ops.reshape(images, (-1, channels))
        return ops.reshape(ops.take(pixels, places, axis=0), ops.shape(images))

    def _places(self, count, size):
        """Where each place of an axis comes from, `(count, size)`."""
        most = round(self.factor * size)
        shifts = keras.random.randint(
            (count, 1), -most, most + 1, seed=self.seed_generator
        )
        # Places outside are folded back, without the border itself: -1 becomes 1.
        places = ops.abs(ops.arange(size) + shifts)
        return (size - 1) - ops.abs((size - 1) - places)


class BatchJPEGCompression(RandomJPEGCompression):
    """Compresses the images of a batch in one way, or none of them."""

    def get_random_transformation(self, data, training=True, seed=None):
        drawn = super().get_random_transformation(data, training, seed)
        return keras.tree.map_structure(
            lambda each: ops.broadcast_to(each[:1], ops.shape(each)), drawn
        )


COMPRESSION: dict[JpegPer, type[RandomJPEGCompression]] = {
    "image": RandomJPEGCompression,
    "batch": BatchJPEGCompression,
}


def build_augmentation(
    seed: int = 0, jpeg_share: float = 0.0, jpeg_per: JpegPer = "image"
) -> keras.Sequential:
    """Horizontal flips, small shifts, JPEG compression if asked for, random erasing.

    Quarter turns and changes of brightness and contrast are left out on purpose: with
    them, detectors were worse on val.

    Args:
        seed: Seed of the random draws.
        jpeg_share: Share of images that are compressed, 0 to 1.
        jpeg_per: Whether each image is compressed in its own way, or each batch.

    Returns:
        Model of `(batch, size, size, 3)` images in grey levels 0..255, float32. It
        computes in float32 under any policy, since 16 bits would quantise.
    """
    layers = keras.layers
    compression = COMPRESSION[jpeg_per](
        quality=(30, 100), probability=jpeg_share, seed=seed + 3, dtype="float32"
    )
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal", seed=seed, dtype="float32"),
            RandomShift(0.1, seed + 1, dtype="float32"),
            # After all that moves pixels, as in a file.
            *([compression] if jpeg_share else []),
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
