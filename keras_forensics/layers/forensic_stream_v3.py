"""The forensic stream: from pixels to a gate."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.bayar_conv2d import BayarConv2D
from keras_forensics.layers.srm_layer_v3 import SRMLayerV3
from keras_forensics.ops import arithmetic_dtype, to_grey_levels

# Running statistics follow within some 20 steps: short runs and fine-tuning stages
# are validated on statistics of their own, not on those of the initial weights.
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="keras_forensics")
class ForensicStreamV3(keras.layers.Layer):
    r"""Fixed and learnable residuals → features → pooling → sigmoid gate vector.

    $$
    g(x) = \sigma\bigl(W \operatorname{mean}
        F\bigl(S(x), \operatorname{clip}_{-T}^{+T} B(x)\bigr) + b\bigr)
    $$

    with the residuals $S$ of the fixed filters and $B$ of the learnable ones, the
    features $F$, and their mean over the image.

    1. Residuals: `SRMLayerV3` (5 maps a channel) and `BayarConv2D` (`bayar_filters`
       maps), truncated at `threshold`, sampled at every `strides`-th pixel.
    2. Features: batch normalisation, then a 3x3 convolution with stride 2, batch
       normalisation and ReLU for every entry of `features`.
    3. Gate: global average pooling, then `Dense(gate_dim)` with a sigmoid.

    Args:
        gate_dim: Positive integer, the length of the gate vector: that of the visual
            features it scales.
        bayar_filters: Positive integer, the number of learnable residual maps.
        features: Positive integers, the channels of the feature convolutions.
        strides: Integer or tuple of 2 integers, the sampling of the residuals. Each
            residual is still taken from its full-resolution neighbourhood.
        threshold: Truncation threshold in grey levels, a positive number, or `None`
            for no truncation.
        padding: `"reflect"`, `"symmetric"`, `"valid"` or `"same"`: the borders of
            the residuals.
        value_range: `(low, high)`, the input values of black and white.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; any integer or
        float dtype, values in `value_range`.

    Output shape:
        `(batch, gate_dim)`, values in [0, 1].

    Raises:
        ValueError: If an argument is outside the values above, or an image is too
            small for the padding.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import ForensicStreamV3

    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    print(ForensicStreamV3(gate_dim=1280)(images).shape)
    #> (2, 1280)
    ```

    References:
        The stream is this package's own. Its parts are those of `SRMLayerV3` and
        `BayarConv2D`, whose pages name the papers.
    """

    def __init__(
        self,
        gate_dim=1280,
        bayar_filters=8,
        features=(32, 64),
        strides=2,
        threshold=3.0,
        padding="reflect",
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        # Autocasting would round non-integer pixels before they are filtered.
        super().__init__(autocast=False, **kwargs)
        self.gate_dim = arguments.check_positive_integer(gate_dim, "gate_dim")
        self.bayar_filters = arguments.check_positive_integer(
            bayar_filters, "bayar_filters"
        )
        self.features = arguments.check_positive_integers(features, "features")
        self.strides = arguments.check_pair(strides, "strides")
        self.threshold = arguments.check_threshold(threshold)
        self.padding = arguments.check_padding(padding)
        self.value_range = arguments.check_value_range(value_range)
        self.data_format = arguments.check_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        # A layer that was frozen before it is built does not freeze its children.
        common = {"dtype": self.dtype_policy, "trainable": self.trainable}
        maps = {"data_format": self.data_format, **common}
        front = {"strides": self.strides, "padding": self.padding, **maps}
        self.srm = SRMLayerV3(self.threshold, name="srm", **front)
        self.bayar = BayarConv2D(self.bayar_filters, 5, name="bayar", **front)
        self.feature_layers = [self._batch_normalization("residual_norm")]
        for index, channels in enumerate(self.features):
            self.feature_layers += [
                keras.layers.Conv2D(
                    channels,
                    3,
                    strides=2,
                    padding="same",
                    use_bias=False,
                    name=f"feature_conv_{index}",
                    **maps,
                ),
                self._batch_normalization(f"feature_norm_{index}"),
                keras.layers.ReLU(name=f"feature_relu_{index}", **common),
            ]
        self.feature_layers.append(
            keras.layers.GlobalAveragePooling2D(name="pool", **maps)
        )
        self.gate = keras.layers.Dense(
            self.gate_dim, activation="sigmoid", name="gate", **common
        )

        self.srm.build(input_shape)
        self.bayar.build(input_shape)
        shape = list(self.srm.compute_output_shape(input_shape))
        shape[arguments.channel_axis(self.data_format)] += self.bayar_filters
        for layer in [*self.feature_layers, self.gate]:
            layer.build(tuple(shape))
            shape = layer.compute_output_shape(tuple(shape))

    def _batch_normalization(self, name):
        return keras.layers.BatchNormalization(
            axis=arguments.channel_axis(self.data_format),
            momentum=BATCH_NORM_MOMENTUM,
            name=name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )

    def call(self, inputs, training=None):
        features = self.residuals(inputs)
        for layer in self.feature_layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                features = layer(features, training=training)
            else:
                features = layer(features)
        return self.gate(features)

    def residuals(self, inputs):
        """The maps that the features are computed from.

        Args:
            inputs: Images, as for the layer itself, which must be built.

        Returns:
            Tensor with `5 * channels` SRM maps, then `bayar_filters` learnable ones.
        """
        grey = to_grey_levels(
            inputs, self.value_range, arithmetic_dtype(self.compute_dtype)
        )
        learnable = self.bayar(grey)
        if self.threshold is not None:
            learnable = ops.clip(learnable, -self.threshold, self.threshold)
        return ops.concatenate(
            [self.srm(grey), learnable], axis=arguments.channel_axis(self.data_format)
        )

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.gate_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "gate_dim": self.gate_dim,
            "bayar_filters": self.bayar_filters,
            "features": self.features,
            "strides": self.strides,
            "threshold": self.threshold,
            "padding": self.padding,
            "value_range": self.value_range,
            "data_format": self.data_format,
        }
