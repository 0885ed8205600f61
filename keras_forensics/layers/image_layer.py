"""What layers of images, or of maps of features, have in common."""

import keras

from keras_forensics import arguments
from keras_forensics.ops import arithmetic_dtype, to_grey_levels


class ImageLayer(keras.layers.Layer):
    """Base of layers whose input has the axes of a batch of images.

    Subclasses call `super().build(input_shape)`, which fixes the number of channels.

    Args:
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        value_range: `(low, high)`, the input values of black and white, or `None` for
            layers of features.
        autocast: Whether Keras casts inputs to the compute dtype. It would round pixels
            that are no integers before they are filtered, and features before they are
            squared.
        **kwargs: The other arguments of `keras.layers.Layer`.
    """

    def __init__(self, data_format=None, value_range=None, autocast=False, **kwargs):
        super().__init__(autocast=autocast, **kwargs)
        self.data_format = arguments.check_data_format(data_format)
        if value_range is not None:
            self.value_range = arguments.check_value_range(value_range)
        self.channel_axis = arguments.channel_axis(self.data_format)
        self.spatial_axes = arguments.spatial_axes(self.data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        channels = self.count_channels(input_shape)
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={self.channel_axis: channels}
        )

    def count_channels(self, input_shape) -> int:
        """The number of channels, or a `ValueError` if it is unknown."""
        return arguments.count_channels(input_shape, self.data_format)

    @property
    def arithmetic_dtype(self) -> str:
        """The dtype that filters and statistics are computed in: 32 bits or more."""
        return arithmetic_dtype(self.compute_dtype)

    @property
    def child_arguments(self) -> dict:
        """Arguments of layers within: freezing this one unbuilt would not reach them."""
        return {"dtype": self.dtype_policy, "trainable": self.trainable}

    def to_grey_levels(self, inputs):
        """The inputs as grey levels 0..255, in the dtype of filters."""
        return to_grey_levels(inputs, self.value_range, self.arithmetic_dtype)

    def get_config(self):
        config = {**super().get_config(), "data_format": self.data_format}
        if hasattr(self, "value_range"):
            config["value_range"] = self.value_range
        return config
