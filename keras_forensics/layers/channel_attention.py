"""Squeeze-and-excitation channel attention."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import ImageLayer


@keras.saving.register_keras_serializable(package="keras_forensics")
class ChannelAttention(ImageLayer):
    r"""Squeeze-and-excitation: scales each channel by what the image as a whole shows.

    $$
    y_c = x_c \cdot \sigma\!\left(W_2\,\operatorname{ReLU}(W_1 \bar{x} + b_1)
        + b_2\right)_c
    $$

    with $\bar{x}$ the mean of each channel over the image and
    $\max(1, \lfloor C / r \rfloor)$ hidden units.

    Args:
        reduction_ratio: Positive integer $r$.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`.

    Output shape:
        The same.

    Raises:
        ValueError: If `reduction_ratio` is not a positive integer or the number of
            channels is unknown.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import ChannelAttention

    features = np.ones((2, 7, 7, 32), "float32")
    print(ChannelAttention(reduction_ratio=16)(features).shape)
    #> (2, 7, 7, 32)
    ```

    References:
        - Hu, J., Shen, L. & Sun, G. (2018). Squeeze-and-excitation networks. CVPR.
          <https://arxiv.org/abs/1709.01507>
    """

    def __init__(self, reduction_ratio=16, data_format=None, **kwargs):
        super().__init__(data_format, autocast=True, **kwargs)
        self.reduction_ratio = arguments.check_positive_integer(
            reduction_ratio, "reduction_ratio"
        )

    def build(self, input_shape):
        super().build(input_shape)
        channels = self.count_channels(input_shape)
        hidden = max(1, channels // self.reduction_ratio)
        self.squeeze = keras.layers.GlobalAveragePooling2D(
            data_format=self.data_format, name="squeeze", **self.of_children
        )
        self.reduce = keras.layers.Dense(
            hidden, activation="relu", name="reduce", **self.of_children
        )
        self.excite = keras.layers.Dense(
            channels, activation="sigmoid", name="excite", **self.of_children
        )
        self.reduce.build((None, channels))
        self.excite.build((None, hidden))

    def call(self, inputs):
        weights = self.excite(self.reduce(self.squeeze(inputs)))
        return inputs * ops.expand_dims(weights, self.spatial_axes)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "reduction_ratio": self.reduction_ratio}
