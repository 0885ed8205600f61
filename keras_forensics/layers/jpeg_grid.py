"""Whether images were compressed before, and on which grid."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops import jpeg_grid_scores


@keras.saving.register_keras_serializable(package="keras_forensics")
class JPEGGrid(GreyLevelLayer):
    r"""How well an image fits each of the 64 positions that a JPEG grid can have.

    JPEG rounds most DCT coefficients to 0, and a coefficient stays near 0 if it is
    computed on the same grid again. So on each grid $(i, j)$ the coefficients $c$ near
    0 are counted, softly, and compared with the mean of all grids:

    $$
    z_{ij} = \operatorname{mean}_{\,c\ \text{on grid}\ (i, j)}
        \max\bigl(0,\ 1 - |c| / t\bigr), \qquad
    s_{ij} = \frac{z_{ij}}{\operatorname{mean}(z)}
    $$

    An image that was never compressed has scores around 1 everywhere. One that was has
    its maximum where its grid begins: at $(0, 0)$ if it was not cropped since.

    Args:
        threshold: Coefficients below $t$ count, a positive number. They are those of
            luma less 128 in grey levels, orthonormal as in `BlockDCT2D`.
        value_range: `(low, high)`, the values of black and white in the input.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`, with 1 channel (grey)
        or 3 (RGB), and sides of at least 15 pixels.

    Output shape:
        `(batch, 8, 8)`: the scores by row and column of the grid's first whole block,
        at least 0, with a mean of 1. All are 0 if no coefficient is below $t$. They are
        computed in float32 where the policy has 16 bits.

    Raises:
        ValueError: If an argument is outside the values above, or images have neither 1
            nor 3 channels, or are too small.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import JPEGCompression, JPEGGrid

    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), "uint8")
    compressed = np.asarray(JPEGCompression(80)(noise))
    cropped = compressed[:, 3:, 6:]  # the next blocks begin at row 5, column 2
    scores = np.asarray(JPEGGrid()(cropped))[0]
    print(np.unravel_index(scores.argmax(), (8, 8)))
    #> (np.int64(5), np.int64(2))
    ```

    References:
        - Nikoukhah, T. et al. (2019). JPEG grid detection based on the number of DCT
          zeros and its application to automatic and localized forgery detection. CVPR
          Workshops.
          <https://openaccess.thecvf.com/content_CVPRW_2019/html/Media_Forensics/Nikoukhah_JPEG_Grid_Detection_based_on_the_Number_of_DCT_Zeros_CVPRW_2019_paper.html>
    """

    def __init__(self, threshold=1.0, value_range=(0, 255), data_format=None, **kwargs):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.threshold = arguments.check_positive_number(threshold, "threshold")

    def call(self, inputs):
        grey_levels = self.to_grey_levels(inputs)
        planes = [
            ops.take(grey_levels, k, self.channel_axis)
            for k in range(grey_levels.shape[self.channel_axis])
        ]
        if len(planes) == 3:
            red, green, blue = planes
            planes = [0.299 * red + 0.587 * green + 0.114 * blue]
        scores = jpeg_grid_scores(planes[0], self.threshold)
        return ops.cast(scores, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        arguments.check_grey_or_rgb(self.count_channels(input_shape), input_shape)
        for axis in self.spatial_axes:
            size = input_shape[axis]
            if isinstance(size, int) and size < 15:
                raise ValueError(
                    "Images must hold a block on each grid, so have sides of at least "
                    f"15 pixels. Received: input_shape={tuple(input_shape)}"
                )
        return (input_shape[0], 8, 8)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}
