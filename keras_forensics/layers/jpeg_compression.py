"""JPEG compression and decompression, equal to libjpeg-turbo's."""

import keras
from keras import ops

from keras_forensics import quantization_tables
from keras_forensics.layers import arguments
from keras_forensics.layers.residual import residual_dtype, to_grey_levels
from keras_forensics.ops import pixels
from keras_forensics.ops.jpeg_codec import compress_and_decompress


@keras.saving.register_keras_serializable(package="keras_forensics")
class JPEGCompression(keras.layers.Layer):
    r"""What images are after they were saved as JPEG and opened again.

    Pixels are those that Pillow gives, which writes and reads with libjpeg-turbo, bit
    for bit: colours to $Y C_b C_r$ and back, chroma halved by means and doubled by a
    triangle filter, and each 8×8 block $b$ of each plane to

    $$
    \hat{b} = \operatorname{clip}_{\,0}^{\,255}\Bigl(128 + D^{-1}\bigl(
        q \odot \operatorname{round}\bigl(D(b - 128) \oslash q\bigr)\bigr)\Bigr)
    $$

    with the DCT $D$ and the quantisation table $q$ of the quality. All of it is done in
    32-bit integers, in the order of libjpeg's accurate DCT ("islow"), so that backend,
    device, compiler and dtype policy change nothing. OpenCV, torchvision and
    `tf.io.decode_jpeg(dct_method="INTEGER_ACCURATE")` decode to the same pixels.

    Inputs are clipped to black and white and rounded to grey levels first. Gradients
    pass straight through: they are those of the clipping alone, since the derivative of
    the compression itself is 0 wherever it is defined.

    Args:
        quality: Integer 1..100, libjpeg's scale of qualities.
        subsampling: `"4:2:0"` (chroma has half the height and width), `"4:2:2"` (half
            the width) or `"4:4:4"`. It changes nothing for grey images.
        value_range: `(low, high)`, the values of black and white, in inputs and outputs.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`, with 1 channel (grey)
        or 3 (RGB), and sides of any length.

    Output shape:
        The same; integers 0..255, mapped to `value_range`.

    Raises:
        ValueError: If an argument is outside the values above, or images have neither 1
            nor 3 channels.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import JPEGCompression

    gradient = np.arange(64, dtype="uint8").reshape(1, 8, 8, 1) * 4
    compressed = np.asarray(JPEGCompression(quality=50)(gradient))
    print(gradient[0, 0, :, 0])
    #> [ 0  4  8 12 16 20 24 28]
    print(compressed[0, 0, :, 0].astype(int))
    #> [ 1  4  9 14 18 22 26 28]
    ```

    References:
        - ITU-T Recommendation T.81 (1992). Digital compression and coding of
          continuous-tone still images.
          <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>
        - libjpeg-turbo. <https://libjpeg-turbo.org>
    """

    def __init__(
        self,
        quality,
        subsampling="4:2:0",
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        # Autocasting would round non-integer pixels twice.
        super().__init__(autocast=False, **kwargs)
        self.quality = quality
        self._tables = quantization_tables.standard(quality).astype("float32")
        self.subsampling = arguments.check_subsampling(subsampling)
        self.value_range = arguments.check_value_range(value_range)
        self.data_format = arguments.check_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        channels = arguments.count_channels(input_shape, self.data_format)
        arguments.check_grey_or_rgb(channels, input_shape)
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={arguments.channel_axis(self.data_format): channels}
        )

    def call(self, inputs):
        grey_levels = to_grey_levels(inputs, self.value_range, residual_dtype(self))
        grey_levels = ops.clip(grey_levels, 0, 255)
        planes = compress_and_decompress(
            pixels.to_planes(grey_levels, self.data_format),
            ops.convert_to_tensor(self._tables),
            self.subsampling,
        )
        compressed = ops.cast(
            pixels.from_planes(planes, self.data_format), grey_levels.dtype
        )
        outputs = pixels.straight_through(compressed, grey_levels)
        return ops.cast(
            pixels.from_grey_levels(outputs, self.value_range), self.compute_dtype
        )

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "quality": self.quality,
            "subsampling": self.subsampling,
            "value_range": self.value_range,
            "data_format": self.data_format,
        }
