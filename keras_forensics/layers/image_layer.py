"""What every layer of images has in common."""

import keras

from keras_forensics import arguments
from keras_forensics.ops import arithmetic_dtype, to_grey_levels


class ImageLayer(keras.layers.Layer):
    """Base of layers that take a batch of images or maps, in either data format.

    Args:
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        autocast: Whether Keras rounds inputs to the compute dtype. Not by default: it
            would round non-integer pixels before they are filtered.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.
    """

    def __init__(self, data_format=None, autocast=False, **kwargs):
        super().__init__(autocast=autocast, **kwargs)
        self.data_format = arguments.check_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def channel_axis(self) -> int:
        return arguments.channel_axis(self.data_format)

    @property
    def spatial_axes(self) -> tuple[int, int]:
        return arguments.spatial_axes(self.data_format)

    @property
    def arithmetic_dtype(self) -> str:
        """The dtype of arithmetic that must not be rounded to 16 bits."""
        return arithmetic_dtype(self.compute_dtype)

    @property
    def of_children(self) -> dict:
        """The arguments that a child layer gets from this one."""
        # A layer that was frozen before it is built does not freeze its children.
        return {"dtype": self.dtype_policy, "trainable": self.trainable}

    def count_channels(self, input_shape) -> int:
        """The number of channels, which has to be known when a layer is built."""
        return arguments.count_channels(input_shape, self.data_format)

    def build(self, input_shape):
        self.compute_output_shape(input_shape)
        channels = self.count_channels(input_shape)
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={self.channel_axis: channels}
        )

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class GreyLevelLayer(ImageLayer):
    """Base of layers that work in grey levels, whatever the range of their input.

    Args:
        value_range: `(low, high)`, the input values of black and white.
        **kwargs: The arguments of `ImageLayer`.
    """

    def __init__(self, value_range=(0, 255), **kwargs):
        super().__init__(**kwargs)
        self.value_range = arguments.check_value_range(value_range)

    def to_grey_levels(self, inputs):
        return to_grey_levels(inputs, self.value_range, self.arithmetic_dtype)

    def get_config(self):
        return {**super().get_config(), "value_range": self.value_range}
