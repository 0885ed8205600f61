"""What JPEG compression would change in an image."""

import keras
from keras import ops

from keras_forensics import arguments, quantization_tables
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops import jpeg_codec
from keras_forensics.ops.pixels import from_planes, to_planes


@keras.saving.register_keras_serializable(package="keras_forensics")
class ErrorLevel(GreyLevelLayer):
    r"""The residual of an image and its own recompression, at several qualities.

    $$
    e_q = g - \operatorname{JPEG}_q(g)
    $$

    with grey levels $g$ and the compression of `JPEGCompression`, equal to
    libjpeg-turbo's. A region that was compressed before changes less at the quality it
    was compressed at, on the same grid: the mean of $e_q^2$ over a neighbourhood, as a
    function of $q$, has a second minimum there, a *JPEG ghost* (Farid, 2009). Error
    level analysis (Krawetz, 2007) looks at $|e_q|$ for one quality.

    What differs most between regions is texture, not their past: edges and noise leave
    large residuals in every image. Compare a region with the same texture, and
    qualities with each other, before any conclusion.

    Inputs are clipped to black and white, and rounded before they are compressed. The
    gradient is that of $g$: the compression is constant wherever it has a derivative.

    Args:
        qualities: Integers 1..100, libjpeg's scale, in the order of the output.
        subsampling: `"4:4:4"`, `"4:2:2"` or `"4:2:0"`, of chroma.
        value_range: `(low, high)`, the values of black and white in the input.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`, with 1 channel (grey)
        or 3 (RGB), and sides of any length.

    Output shape:
        The same with `channels * len(qualities)` maps in channel-major order (all
        qualities of the first channel, then of the second), in grey levels -255..255;
        integers if the grey levels are.

    Raises:
        ValueError: If an argument is outside the values above, or images have neither 1
            nor 3 channels.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_forensics.layers import ErrorLevel, JPEGCompression

    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), "uint8")
    compressed = JPEGCompression(70)(noise)
    errors = ErrorLevel(qualities=(60, 65, 70, 75, 80))(compressed)
    energies = keras.ops.mean(errors**2, axis=(0, 1, 2))
    print(int(keras.ops.argmin(energies)))  # the quality it was compressed at
    #> 2
    ```

    References:
        - Farid, H. (2009). Exposing digital forgeries from JPEG ghosts. IEEE
          Transactions on Information Forensics and Security 4(1).
          <https://doi.org/10.1109/TIFS.2008.2012215>
        - Krawetz, N. (2007). A picture's worth: digital image analysis and forensics.
          Black Hat USA.
    """

    def __init__(
        self,
        qualities=(75, 85, 95),
        subsampling="4:4:4",
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.qualities = arguments.check_qualities(qualities)
        tables = [quantization_tables.standard(quality) for quality in self.qualities]
        # Plain numbers: torch.compile stops at an array.
        self._tables = tuple(tuple(table.flatten().tolist()) for table in tables)
        self.subsampling = arguments.check_subsampling(subsampling)

    def call(self, inputs):
        grey_levels = ops.clip(self.to_grey_levels(inputs), 0, 255)
        planes = to_planes(grey_levels, self.data_format, ops)
        channels, batch, *size = ops.shape(planes)
        # The forward DCT once, then all qualities as one large batch.
        tables = ops.convert_to_tensor(self._tables, "float32")
        tables = ops.reshape(tables, (-1, 2, 8, 8))
        luma, chroma = jpeg_codec.to_luma_and_chroma(planes, ops)
        coefficients = jpeg_codec.luma_coefficients(luma, ops)
        compressed = jpeg_codec.luma_pixels(
            self._at_every_quality(coefficients, tables[:, 0]), size, ops
        )
        if chroma is not None:
            coefficients = jpeg_codec.chroma_coefficients(chroma, self.subsampling, ops)
            chroma = jpeg_codec.chroma_pixels(
                self._at_every_quality(coefficients, tables[:, 1]),
                size,
                self.subsampling,
                ops,
            )
            compressed = jpeg_codec.to_rgb(compressed, chroma, ops)
        count = len(self.qualities)
        compressed = ops.reshape(compressed, (channels * count, batch, *size))
        compressed = from_planes(compressed, self.data_format, ops)
        repeated = ops.repeat(grey_levels, count, self.channel_axis)
        errors = repeated - ops.cast(compressed, grey_levels.dtype)
        return ops.cast(errors, self.compute_dtype)

    def _at_every_quality(self, coefficients, tables):
        requantized = [
            jpeg_codec.requantize(coefficients, tables[k], ops)
            for k in range(len(self.qualities))
        ]
        return ops.concatenate(requantized, 3)

    def compute_output_shape(self, input_shape):
        channels = self.count_channels(input_shape)
        arguments.check_grey_or_rgb(channels, input_shape)
        output_shape = list(input_shape)
        output_shape[self.channel_axis] = channels * len(self.qualities)
        return tuple(output_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "qualities": self.qualities,
            "subsampling": self.subsampling,
        }
