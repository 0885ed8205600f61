"""An image taken apart: its patches with the most texture, and with the least."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import ImageLayer
from keras_forensics.ops import change_data_format, texture_mosaics


@keras.saving.register_keras_serializable(package="keras_forensics")
class TextureContrast(ImageLayer):
    r"""Two mosaics of an image's patches: those of richest and of poorest texture.

    The texture of a patch is the sum of absolute differences of neighbouring pixels in
    four directions, over all channels:

    $$
    \ell = \sum_{i,j} |x_{i,j} - x_{i,j+1}| + |x_{i,j} - x_{i+1,j}|
        + |x_{i,j} - x_{i+1,j+1}| + |x_{i,j+1} - x_{i+1,j}|
    $$

    This is the first step of PatchCraft, which takes away what an image shows and keeps
    its textures. The next ones are those of other layers: residuals of both mosaics, by
    the same filters, and their difference. Cameras leave like traces in rich and in
    poor texture; generators are said to do worse on the rich.

    PatchCraft draws 192 patches at random and keeps a third of them in each mosaic.
    Here they are those of a grid, so the same image gives the same mosaics, and none is
    in both. Of patches with equal texture, the upper or left one comes first. The
    texture of integers is exact up to a sum of $2^{24}$, which RGB patches of 74 pixels
    a side cannot exceed. Pixels pass as they are, gradients too; the order has none.

    Args:
        patch_size: Integer, at least 2, height and width of the patches. The first
            begins at the first pixel; incomplete ones at the borders are left out.
        mosaic_side: Positive integer, the rows and columns of patches in a mosaic.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`, with at least
        `2 * mosaic_side**2` whole patches.

    Output shape:
        `(batch, side, side, 2 * channels)`, or with channels first, where `side` is
        `patch_size * mosaic_side`: the channels of the rich mosaic, from the richest
        patch on, row by row, then those of the poor one, from the poorest on.

    Raises:
        ValueError: If an argument is outside the values above, or an image holds too
            few patches.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import SRMLayerV3, TextureContrast

    images = np.random.default_rng(0).integers(0, 256, (2, 192, 192, 3), "uint8")
    mosaics = TextureContrast(patch_size=32, mosaic_side=4)(images)
    print(mosaics.shape)
    #> (2, 128, 128, 6)
    residual = SRMLayerV3()
    contrast = residual(mosaics[..., :3]) - residual(mosaics[..., 3:])
    print(contrast.shape)
    #> (2, 128, 128, 15)
    ```

    References:
        - Zhong, N. et al. (2023). PatchCraft: exploring texture patch for efficient
          AI-generated image detection. <https://arxiv.org/abs/2311.12397>
    """

    def __init__(self, patch_size=32, mosaic_side=4, data_format=None, **kwargs):
        super().__init__(data_format=data_format, **kwargs)
        self.patch_size = arguments.check_positive_integer(patch_size, "patch_size")
        if self.patch_size < 2:
            raise ValueError(
                "`patch_size` must be at least 2, for a patch to have neighbours. "
                f"Received: patch_size={patch_size}"
            )
        self.mosaic_side = arguments.check_positive_integer(mosaic_side, "mosaic_side")

    def call(self, inputs):
        images = change_data_format(
            ops.cast(inputs, self.arithmetic_dtype), self.data_format, "channels_last"
        )
        mosaics = texture_mosaics(images, self.patch_size, self.mosaic_side)
        outputs = change_data_format(
            ops.concatenate(mosaics, -1), "channels_last", self.data_format
        )
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        channels = self.count_channels(input_shape)
        sizes = [input_shape[axis] for axis in self.spatial_axes]
        needed = 2 * self.mosaic_side**2
        if all(isinstance(size, int) for size in sizes):
            rows, columns = (size // self.patch_size for size in sizes)
            if rows * columns < needed:
                raise ValueError(
                    f"Images must hold {needed} patches of {self.patch_size} pixels a "
                    f"side, twice those of a mosaic. "
                    f"Received: input_shape={tuple(input_shape)}"
                )
        output_shape = [input_shape[0], *3 * [self.patch_size * self.mosaic_side]]
        output_shape[self.channel_axis] = 2 * channels
        return tuple(output_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "mosaic_side": self.mosaic_side,
        }
