"""JPEG compression and decompression, equal to libjpeg-turbo's."""

import keras
from keras import ops

from keras_forensics import arguments, quantization_tables
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops import from_grey_levels, jpeg_round_trip
from keras_forensics.ops.pixels import from_planes, straight_through, to_planes


@keras.saving.register_keras_serializable(package="keras_forensics")
class JPEGCompression(GreyLevelLayer):
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
        value_range: `(low, high)`, the values of black and white in the input,
            and in the output.
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
    #> [ 0  2  6 11 16 21 25 27]
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
        super().__init__(value_range, data_format=data_format, **kwargs)
        # Plain numbers: torch.compile stops at an array.
        self._tables = tuple(quantization_tables.standard(quality).flatten().tolist())
        self.quality = quality
        self.subsampling = arguments.check_subsampling(subsampling)

    def call(self, inputs):
        grey_levels = ops.clip(self.to_grey_levels(inputs), 0, 255)
        tables = ops.convert_to_tensor(self._tables, "float32")
        planes = jpeg_round_trip(
            to_planes(grey_levels, self.data_format, ops),
            ops.reshape(tables, (2, 8, 8)),
            self.subsampling,
        )
        compressed = from_planes(planes, self.data_format, ops)
        outputs = straight_through(
            ops.cast(compressed, grey_levels.dtype), grey_levels, ops
        )
        return ops.cast(from_grey_levels(outputs, self.value_range), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        arguments.check_grey_or_rgb(self.count_channels(input_shape), input_shape)
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "quality": self.quality,
            "subsampling": self.subsampling,
        }
