"""A forensic stream: from pixels, over residuals of one's choice, to a gate."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops import change_data_format, runnable_data_format

# Running statistics follow within some 20 steps: short runs and fine-tuning stages
# are validated on statistics of their own, not on those of the initial weights.
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="keras_forensics")
class ForensicStream(GreyLevelLayer):
    r"""Residuals → features → pooling → sigmoid gate vector.

    $$
    g(x) = \sigma\bigl(W \operatorname{mean} F\bigl(R_1(x), R_2(x), \dots\bigr)
        + b\bigr)
    $$

    with the maps $R_i$ of the residual layers, the features $F$, and their mean over
    the image.

    1. Residuals: the maps of all `residual_layers`, side by side. Those of a layer that
       does not truncate by itself, which is one without a `threshold` of its own, are
       truncated at the stream's.
    2. Features: batch normalisation, then a 3x3 convolution with stride 2, batch
       normalisation and ReLU for every entry of `features`.
    3. Gate: global average pooling, then `Dense(gate_dim)` with a sigmoid.

    Args:
        residual_layers: Layers from images in grey levels to maps, one or more: of this
            package, or any other of two spatial axes. Their maps must have one height
            and width, so give them the same strides and padding. They belong to the
            stream and keep their own dtype policy. Configurations of layers, as
            `keras.saving.serialize_keras_object` writes them, are taken, too: a saved
            stream holds those of its front.
        gate_dim: Positive integer, the length of the gate vector: that of the visual
            features it scales.
        features: Positive integers, the channels of the feature convolutions.
        threshold: Truncation threshold in grey levels, a positive number, or `None`
            for no truncation.
        value_range: `(low, high)`, the input values of black and white. The residual
            layers get grey levels 0..255.
        data_format: `"channels_last"` or `"channels_first"`, also that of the residual
            layers. Defaults to Keras's `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; any integer or
        float dtype, values in `value_range`.

    Output shape:
        `(batch, gate_dim)`, values in [0, 1].

    Raises:
        ValueError: If an argument is outside the values above, the residual layers
            disagree on the size of their maps or on the data format, give no maps, or
            expect another range than grey levels, or an image is too small for one.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import BayarConv2D, ForensicStream, SRMFilterBank

    stream = ForensicStream(
        [SRMFilterBank("srm30"), BayarConv2D(4, 7, padding="reflect")], gate_dim=1280
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    print(stream(images).shape)
    #> (2, 1280)
    ```

    References:
        The stream is this package's own. The pages of its residual layers name the
        papers.
    """

    def __init__(
        self,
        residual_layers,
        gate_dim=1280,
        features=(32, 64),
        threshold=3.0,
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.gate_dim = arguments.check_positive_integer(gate_dim, "gate_dim")
        self.features = arguments.check_positive_integers(features, "features")
        self.threshold = arguments.check_threshold(threshold)
        # A preset makes its own when it is built.
        self.residual_layers = (
            []
            if residual_layers is None
            else _read_layers(residual_layers, self.data_format)
        )

    def build(self, input_shape):
        super().build(input_shape)
        for layer in self.residual_layers:
            if not self.trainable:  # a frozen stream freezes what it was given
                layer.trainable = False
            if not layer.built:  # as one that is read from a file is
                layer.build(input_shape)
        # Keras's own convolutions take no other.
        self._features_format = runnable_data_format(self.data_format)
        maps = {"data_format": self._features_format, **self.of_children}
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
                keras.layers.ReLU(name=f"feature_relu_{index}", **self.of_children),
            ]
        self.feature_layers.append(
            keras.layers.GlobalAveragePooling2D(name="pool", **maps)
        )
        self.gate = keras.layers.Dense(
            self.gate_dim, activation="sigmoid", name="gate", **self.of_children
        )
        shape = self._maps_shape(input_shape)
        for layer in [*self.feature_layers, self.gate]:
            layer.build(shape)
            shape = tuple(layer.compute_output_shape(shape))

    def _batch_normalization(self, name):
        return keras.layers.BatchNormalization(
            axis=arguments.channel_axis(self._features_format),
            momentum=BATCH_NORM_MOMENTUM,
            name=name,
            **self.of_children,
        )

    def _maps_shape(self, input_shape):
        shapes = []
        for layer in self.residual_layers:
            shape = tuple(layer.compute_output_shape(input_shape))
            if len(shape) != 4:
                raise ValueError(
                    "`residual_layers` must give maps of 4 axes. "
                    f"Received: outputs of shape {shape} from {layer.name!r}"
                )
            shapes.append(shape)
        sizes = {tuple(shape[axis] for axis in self.spatial_axes) for shape in shapes}
        if len(sizes) > 1:
            raise ValueError(
                "The maps of all `residual_layers` must have one height and width: "
                "give them the same strides and padding. Received: maps of "
                f"(height, width) {sorted(sizes, key=str)} for "
                f"input_shape={tuple(input_shape)}"
            )
        (size,), channels = sizes, sum(shape[self.channel_axis] for shape in shapes)
        if self._features_format == "channels_last":
            return (input_shape[0], *size, channels)
        return (input_shape[0], channels, *size)

    def call(self, inputs, training=None):
        features = change_data_format(
            self.residuals(inputs), self.data_format, self._features_format
        )
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
            Tensor with the maps of all residual layers, in their order.
        """
        grey = self.to_grey_levels(inputs)
        maps = []
        for layer in self.residual_layers:
            residual = layer(grey)
            if self.threshold is not None and getattr(layer, "threshold", None) is None:
                residual = ops.clip(residual, -self.threshold, self.threshold)
            maps.append(ops.cast(residual, self.compute_dtype))
        return ops.concatenate(maps, axis=self.channel_axis)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.gate_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "residual_layers": [
                keras.saving.serialize_keras_object(layer)
                for layer in self.residual_layers
            ],
            "gate_dim": self.gate_dim,
            "features": self.features,
            "threshold": self.threshold,
        }


def _read_layers(layers, data_format: str) -> list[keras.layers.Layer]:
    """Layers, or their configurations, as a list of layers."""
    if isinstance(layers, (list, tuple)):
        layers = [
            keras.saving.deserialize_keras_object(layer)
            if isinstance(layer, dict)
            else layer
            for layer in layers
        ]
        if layers and all(isinstance(layer, keras.layers.Layer) for layer in layers):
            for layer in layers:
                if getattr(layer, "data_format", data_format) != data_format:
                    raise ValueError(
                        "`data_format` must be that of all `residual_layers`. "
                        f"Received: data_format={data_format!r}, and "
                        f"{layer.data_format!r} in {layer.name!r}"
                    )
                value_range = tuple(getattr(layer, "value_range", (0, 255)))
                if value_range != (0, 255):
                    raise ValueError(
                        "`residual_layers` get grey levels 0..255, whatever the "
                        "`value_range` of the stream. "
                        f"Received: value_range={value_range} in {layer.name!r}"
                    )
            return layers
    raise ValueError(
        "`residual_layers` must be a list of one layer or more. "
        f"Received: residual_layers={layers!r}"
    )
