"""Neighbouring pixel relationships: a pixel against the first of its window."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops import npr_residual


@keras.saving.register_keras_serializable(package="keras_forensics")
class NPRResidual(GreyLevelLayer):
    r"""The neighbouring pixel relationships (NPR) within windows of a grid.

    $$
    r = g - \operatorname{up}_s\bigl(\operatorname{down}_s(g)\bigr), \qquad
    r_{ij} = g_{ij} - g_{\,s \lfloor i/s \rfloor,\ s \lfloor j/s \rfloor}
    $$

    for grey levels $g$ and the factor $s$, with nearest-neighbour interpolation down
    and up. Both forms are one: windows of $s \times s$ pixels, whose first pixel is
    subtracted from all. The last stage of many generators doubles the size of its maps,
    which leaves the pixels of a window more alike, or otherwise related, than those
    of neighbouring windows.

    Residuals of integer grey levels are exact integers, 0 at the first pixel of each
    window. The published code computes this with $s = 2$, of images that are normalised
    for ImageNet, and multiplies it by 2/3; it takes even sizes only. Here a window that
    ends at the border is cut there, so images have any size.

    Args:
        factor: Integer $s$, at least 2.
        threshold: Truncation threshold in grey levels, a positive number, or `None`
            for no truncation.
        value_range: `(low, high)`, the values of black and white in the input.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; any integer or
        float dtype.

    Output shape:
        The same. Values lie in -255..255, or in `[-threshold, threshold]`.

    Raises:
        ValueError: If an argument is outside the values above.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import NPRResidual

    image = np.array([[10, 11, 30, 33], [12, 10, 30, 31], [50, 50, 70, 72]], "uint8")
    residual = np.asarray(NPRResidual()(image[None, :, :, None]))
    print(*residual[0, :, :, 0].astype(int).tolist())
    #> [0, 1, 0, 3] [2, 0, 0, 1] [0, 0, 0, 2]
    ```

    References:
        - Tan, C. et al. (2024). Rethinking the up-sampling operations in CNN-based
          generative network for generalizable deepfake detection. CVPR.
          <https://arxiv.org/abs/2312.10461>
    """

    def __init__(
        self, factor=2, threshold=None, value_range=(0, 255), data_format=None, **kwargs
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.factor = arguments.check_factor(factor)
        self.threshold = arguments.check_threshold(threshold)

    def call(self, inputs):
        grey_levels = self.to_grey_levels(inputs)
        residuals = npr_residual(grey_levels, self.factor, self.data_format)
        if self.threshold is not None:
            residuals = ops.clip(residuals, -self.threshold, self.threshold)
        return ops.cast(residuals, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "factor": self.factor,
            "threshold": self.threshold,
        }
