"""A pixel against the median of its neighbours."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops import median_residual, residual_conv_shape


@keras.saving.register_keras_serializable(package="keras_forensics")
class MedianResidual(GreyLevelLayer):
    r"""The residual of each pixel and the median of its neighbours.

    $$
    r_{ij} = g_{ij} - \operatorname{med}
        \left\{ g_{i+u,\,j+v} : (u, v) \ne (0, 0) \right\}
    $$

    in each channel of the grey levels $g$, with $u$ and $v$ in a window around the
    pixel, which itself is left out. A median follows an edge where a mean blurs it, so
    edges leave less in the residual than in that of a linear filter.

    The neighbours are an even number, so two are in the middle: the median is the lower
    of them, as torch's, or their mean, as numpy's. The residuals of integer grey levels
    are exact: integers for the lower median, halves for the mean. The arithmetic runs
    in float32 (float64 under a float64 policy); 16 bits round the result only.

    FerretNet takes the median of the whole window with 0 in place of the centre. In
    grey levels, of which none is below 0, that is the lower median. Its published code
    subtracts a mean colour first: 0 then stands for that colour, and the median is it
    where it lies between the two middle neighbours, else the nearer of them.

    Args:
        window_size: Odd integer or tuple of 2, height and width of the window.
        median: `"lower"` or `"mean"`, of the two neighbours in the middle.
        threshold: Truncation threshold in grey levels, a positive number, or `None`
            for no truncation.
        padding: `"reflect"` or `"symmetric"` (a flat image gives 0 everywhere),
            `"valid"`, or `"same"` (black pixels, as in FerretNet).
        value_range: `(low, high)`, the values of black and white in the input.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; any integer or
        float dtype.

    Output shape:
        The same, less the border for `"valid"`. Values lie in -255..255, or in
        `[-threshold, threshold]`.

    Raises:
        ValueError: If an argument is outside the values above, or an image is too
            small for the padding.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import MedianResidual

    edge = np.zeros((1, 5, 6, 1), "uint8")
    edge[:, :, 3:] = 100
    edge[:, 2, 1] = 7
    residual = np.asarray(MedianResidual()(edge))
    print(residual.max(), residual[0, 2, 1, 0])  # the pixel is left, the edge is not
    #> 7.0 7.0
    ```

    References:
        - Liang, S. et al. (2025). FerretNet: efficient synthetic image detection via
          local pixel dependencies. NeurIPS. <https://arxiv.org/abs/2509.20890>
    """

    def __init__(
        self,
        window_size=3,
        median="lower",
        threshold=None,
        padding="reflect",
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.window_size = arguments.check_kernel_size(
            arguments.check_pair(window_size, "window_size"), "window_size"
        )
        self.median = arguments.check_median(median)
        self.threshold = arguments.check_threshold(threshold)
        self.padding = arguments.check_padding(padding)

    def call(self, inputs):
        residuals = median_residual(
            self.to_grey_levels(inputs),
            self.window_size,
            self.median,
            padding=self.padding,
            data_format=self.data_format,
        )
        if self.threshold is not None:
            residuals = ops.clip(residuals, -self.threshold, self.threshold)
        return ops.cast(residuals, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return residual_conv_shape(
            input_shape,
            self.count_channels(input_shape),
            self.window_size,
            padding=self.padding,
            data_format=self.data_format,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "window_size": self.window_size,
            "median": self.median,
            "threshold": self.threshold,
            "padding": self.padding,
        }
