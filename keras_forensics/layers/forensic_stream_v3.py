"""The forensic stream of the V3 detector."""

import keras

from keras_forensics import arguments
from keras_forensics.layers.bayar_conv2d import BayarConv2D
from keras_forensics.layers.forensic_stream import ForensicStream
from keras_forensics.layers.srm_layer_v3 import SRMLayerV3


@keras.saving.register_keras_serializable(package="keras_forensics")
class ForensicStreamV3(ForensicStream):
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
        super().__init__(
            None, gate_dim, features, threshold, value_range, data_format, **kwargs
        )
        self.bayar_filters = arguments.check_positive_integer(
            bayar_filters, "bayar_filters"
        )
        self.strides = arguments.check_pair(strides, "strides")
        self.padding = arguments.check_padding(padding)

    def build(self, input_shape):
        front = {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            **self.of_children,
        }
        self.srm = SRMLayerV3(self.threshold, name="srm", **front)
        self.bayar = BayarConv2D(self.bayar_filters, 5, name="bayar", **front)
        self.residual_layers = [self.srm, self.bayar]
        super().build(input_shape)

    def get_config(self):
        config = super().get_config()
        del config["residual_layers"]
        return {
            **config,
            "bayar_filters": self.bayar_filters,
            "strides": self.strides,
            "padding": self.padding,
        }
