"""JPEG compression of random quality, as augmentation."""

from typing import Any

import keras
import numpy as np

from keras_forensics import arguments, quantization_tables
from keras_forensics.ops import arithmetic_dtype, from_grey_levels, jpeg_codec
from keras_forensics.ops.jpeg_sampling import FACTORS
from keras_forensics.ops.pixels import cut, from_planes, straight_through, to_planes

# Keras exports its preprocessing layers, but not what they have in common: images with
# labels, boxes and masks, one seed, and TensorFlow's operations inside tf.data.
_ImagePreprocessingLayer: Any = keras.layers.RandomBrightness.__base__


@keras.saving.register_keras_serializable(package="keras_forensics")
class RandomJPEGCompression(_ImagePreprocessingLayer):
    r"""Compresses each image as JPEG, with a quality and a grid of its own.

    $$
    y_n = \operatorname{JPEG}_{q_n}(x_n \text{ on a grid moved by } d_n)
        \text{ with probability } p, \qquad y_n = x_n \text{ else}
    $$

    The compression is that of `JPEGCompression`, equal to libjpeg-turbo's bit for bit:
    what a detector learns from it is what it meets in files. A crop of a file keeps the
    file's grid, which then begins anywhere; without `grid_shift`, a detector sees only
    grids that begin in the corner.

    It is a preprocessing layer like Keras's own: active with `training=True` (the
    default of a direct call) and in `fit`, the identity at inference. It works in a
    model, in `tf.data` and in Grain, whatever the backend. A dictionary with `images`
    may hold `labels`, `bounding_boxes` and `segmentation_masks`, which stay as they
    are. Gradients pass straight through.

    Args:
        quality: Tuple `(lowest, highest)`, integers 1..100 on libjpeg's scale, both
            included and equally likely; or one integer.
        subsampling: `"4:2:0"`, `"4:2:2"` or `"4:4:4"`, or a tuple of some of them, of
            which each image gets one. Each more costs as much as the chroma of the
            batch.
        probability: That an image is compressed, 0..1.
        grid_shift: Whether the grid begins at a random place. What lies beyond the
            borders then repeats them.
        value_range: `(low, high)`, the values of black and white in the input, and in
            the output.
        seed: Integer, or `None` for another sequence in each process.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(height, width, channels)` or `(batch, height, width, channels)` for
        `"channels_last"`, `(channels, height, width)` or
        `(batch, channels, height, width)` for `"channels_first"`, with 1 channel (grey)
        or 3 (RGB), and sides of any length.

    Output shape:
        The same. Compressed images are clipped, and hold grey levels 0..255 mapped to
        `value_range`; the others are not changed.

    Raises:
        ValueError: If an argument is outside the values above, or images have neither 1
            nor 3 channels.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_forensics.layers import RandomJPEGCompression, SRMLayerV3

    images = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), "uint8")
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            RandomJPEGCompression(quality=(50, 100), probability=0.5),
            SRMLayerV3(),  # sees compressed images in fit, and none in predict
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("sgd", "binary_crossentropy")
    model.fit(images, np.arange(8, dtype="int32") % 2, verbose=0)
    print(model.predict(images, verbose=0).shape)
    #> (8, 1)
    ```

    References:
        - Wang, S.-Y. et al. (2020). CNN-generated images are surprisingly easy to
          spot... for now (JPEG compression as augmentation). CVPR.
          <https://arxiv.org/abs/1912.11035>
        - ITU-T Recommendation T.81 (1992).
          <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        quality=(30, 100),
        subsampling="4:2:0",
        probability=1.0,
        grid_shift=True,
        value_range=(0, 255),
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.quality = arguments.check_quality_range(quality)
        self.subsampling = arguments.check_subsamplings(subsampling)
        self.probability = arguments.check_probability(probability)
        self.grid_shift = bool(grid_shift)
        self.value_range = arguments.check_value_range(value_range)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        ops = self._operations
        images = data["images"] if isinstance(data, dict) else data
        batch = ops.shape(images)[0] if len(images.shape) == 4 else 1
        if seed is None:
            seed = self._get_seed_generator(self.backend._backend)
        draws = self.backend.random.uniform((batch, 5), seed=seed)

        def choose(column, count):
            chosen = ops.floor(draws[:, column] * count)
            return ops.minimum(ops.cast(chosen, "int32"), count - 1)

        lowest, highest = self.quality
        return {
            "compressed": draws[:, 0] < self.probability,
            "quality": lowest + choose(1, highest - lowest + 1),
            "subsampling": choose(2, len(self.subsampling)),
            "offset": [choose(3 + k, n) for k, n in enumerate(self._grid_period)],
        }

    def transform_images(self, images, transformation, training=True):
        ops = self._operations
        if not training:
            return ops.cast(images, self.compute_dtype)
        self._check_channels(images.shape)
        inputs = ops.cast(images, arithmetic_dtype(self.compute_dtype))
        low, high = self.value_range
        grey_levels = ops.clip((inputs - low) * (255 / (high - low)), 0, 255)
        planes = self._compress(
            to_planes(grey_levels, self.data_format, ops), transformation, ops
        )
        compressed = from_planes(planes, self.data_format, ops)
        outputs = straight_through(
            ops.cast(compressed, grey_levels.dtype), grey_levels, ops
        )
        outputs = ops.where(
            ops.reshape(transformation["compressed"], (-1, 1, 1, 1)),
            from_grey_levels(outputs, self.value_range),
            inputs,
        )
        return ops.cast(outputs, self.compute_dtype)

    def transform_labels(self, labels, transformation, training=True):
        return labels

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        return bounding_boxes

    def transform_segmentation_masks(
        self, segmentation_masks, transformation, training=True
    ):
        return segmentation_masks

    def _compress(self, planes, transformation, ops):
        _, _, height, width = ops.shape(planes)
        size = height, width
        if self.grid_shift:
            top, left = transformation["offset"]
            rows, columns = self._grid_period
            size = height + rows - 1, width + columns - 1
            planes = cut(planes, -top, -left, size, ops)
        lowest, highest = self.quality
        tables = [quantization_tables.standard(q) for q in range(lowest, highest + 1)]
        tables = ops.convert_to_tensor(np.stack(tables, 1).astype("float32"))
        tables = ops.take(tables, transformation["quality"] - lowest, 1)

        luma, chroma = jpeg_codec.to_luma_and_chroma(planes, ops)
        luma = jpeg_codec.luma_coefficients(luma, ops)
        planes = jpeg_codec.luma_pixels(
            jpeg_codec.requantize(luma, tables[0], ops), size, ops
        )
        if chroma is not None:
            versions = []
            for name in self.subsampling:
                coded = jpeg_codec.requantize(
                    jpeg_codec.chroma_coefficients(chroma, name, ops), tables[1], ops
                )
                versions.append(jpeg_codec.chroma_pixels(coded, size, name, ops))
            chroma = versions[0]
            chosen = ops.reshape(transformation["subsampling"], (1, -1, 1, 1))
            for k, version in enumerate(versions[1:], start=1):
                chroma = ops.where(chosen == k, version, chroma)
            planes = jpeg_codec.to_rgb(planes, chroma, ops)
        if self.grid_shift:
            planes = cut(planes, top, left, (height, width), ops)
        return planes

    @property
    def _grid_period(self) -> tuple[int, int]:
        """Rows and columns after which the blocks of chroma repeat."""
        factors = [FACTORS[name] for name in self.subsampling]
        return 8 * max(rows for rows, _ in factors), 8 * max(c for _, c in factors)

    @property
    def _operations(self):
        """`keras.ops`, or those of TensorFlow in a tf.data pipeline."""
        if self.backend.name == keras.backend.backend():
            return keras.ops
        return _BackendOperations(self.backend)

    def _check_channels(self, shape):
        channels = arguments.count_channels(shape, self.data_format)
        arguments.check_grey_or_rgb(channels, shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "quality": self.quality,
            "subsampling": self.subsampling,
            "probability": self.probability,
            "grid_shift": self.grid_shift,
            "value_range": self.value_range,
            "seed": self.seed,
            "data_format": self.data_format,  # Keras 3.10 leaves it out
        }


class _BackendOperations:
    """The operations of a backend, by their names in `keras.ops`."""

    def __init__(self, backend):
        self._backend = backend

    def __getattr__(self, name):
        if hasattr(self._backend.numpy, name):
            return getattr(self._backend.numpy, name)
        return getattr(self._backend, name)
