"""The DCT of 8x8 blocks, and its inverse."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import ImageLayer
from keras_forensics.ops import block_dct, inverse_block_dct


@keras.saving.register_keras_serializable(package="keras_forensics")
class BlockDCT2D(ImageLayer):
    r"""The orthonormal DCT of each 8×8 block of a grid, or its inverse.

    $$
    c_{uv} = \sum_{i,j=0}^{7} a_u a_v\, x_{ij}
        \cos\frac{(2i+1)u\pi}{16} \cos\frac{(2j+1)v\pi}{16}, \qquad
    a_0 = \tfrac{1}{\sqrt{8}},\ a_{u>0} = \tfrac{1}{2}
    $$

    These are the coefficients that JPEG quantises, if the grid is that of the file:
    divided by the quantisation table and rounded they are the integers in the file, but
    where these were rounded the other way. It is computed in float32 (float64 under a
    float64 policy) also when the policy has 16 bits; hardware that multiplies matrices
    in TF32 rounds inputs to 11 bits.

    Args:
        offset: Tuple of 2 integers 0..7, row and column of the first pixel of the first
            block: the position of the grid. Not with `inverse`.
        order: Of the 64 frequencies: `"zigzag"`, from low to high as in a file, or
            `"square"`, row by row.
        inverse: If `True`, from coefficients to pixels.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`. With `inverse`, the
        shape of the output below.

    Output shape:
        `(batch, (height - offset[0]) // 8, (width - offset[1]) // 8, 64 * channels)`:
        all frequencies of the first channel, then of the second. Incomplete blocks at
        the borders are left out. With `inverse`, the shape of the input above.

    Raises:
        ValueError: If an argument is outside the values above, an image holds no whole
            block, or the coefficients to invert are not a multiple of 64.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import BlockDCT2D

    images = np.random.default_rng(0).integers(0, 256, (2, 32, 40, 3), "uint8")
    coefficients = BlockDCT2D()(images)
    print(coefficients.shape)
    #> (2, 4, 5, 192)
    pixels = np.asarray(BlockDCT2D(inverse=True)(coefficients))
    print(bool(abs(pixels - images).max() < 0.001))
    #> True
    ```

    References:
        - Ahmed, N., Natarajan, T. & Rao, K. R. (1974). Discrete cosine transform. IEEE
          Transactions on Computers C-23(1). <https://doi.org/10.1109/T-C.1974.223784>
        - ITU-T Recommendation T.81 (1992), A.3.3.
          <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>
    """

    def __init__(
        self,
        offset=(0, 0),
        order="zigzag",
        inverse=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.offset = arguments.check_grid_offset(offset)
        self.order = arguments.check_frequency_order(order)
        self.inverse = bool(inverse)
        if self.inverse and self.offset != (0, 0):
            raise ValueError(
                "`offset` must be (0, 0) with `inverse`. "
                f"Received: offset={offset}, inverse={inverse}"
            )

    def call(self, inputs):
        inputs = ops.cast(inputs, self.arithmetic_dtype)
        if self.inverse:
            outputs = inverse_block_dct(inputs, self.order, self.data_format)
        else:
            outputs = block_dct(inputs, self.offset, self.order, self.data_format)
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        output_shape = list(input_shape)
        channels = self.count_channels(input_shape)
        if self.inverse and channels % 64:
            raise ValueError(
                "The inverse needs a multiple of 64 coefficients. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        output_shape[self.channel_axis] = (
            channels // 64 if self.inverse else 64 * channels
        )
        for axis, start in zip(self.spatial_axes, self.offset, strict=True):
            size = input_shape[axis]
            if isinstance(size, int):
                output_shape[axis] = 8 * size if self.inverse else (size - start) // 8
                if output_shape[axis] < 1:
                    raise ValueError(
                        f"Images must hold a block of 8 pixels from {start} on. "
                        f"Received: input_shape={tuple(input_shape)}"
                    )
        return tuple(output_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "offset": self.offset,
            "order": self.order,
            "inverse": self.inverse,
        }
