"""Learnable constrained high-pass convolution."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.ops import (
    arithmetic_dtype,
    bayar_kernel,
    residual_conv,
    residual_conv_shape,
)


@keras.saving.register_keras_serializable(package="keras_forensics")
class BayarConv2D(keras.layers.Conv2D):
    r"""2-D convolution whose kernels are always prediction-error filters.

    In every kernel slice, from one input to one output channel, the centre tap is
    -1 and the other taps sum to 1: the layer predicts each pixel from its
    neighbours and returns the error of the prediction, which leaves out the scene
    and keeps the traces of processing.

    The constraint is built into the kernel and not imposed on it afterwards. The
    layer trains free weights $v$ and convolves with

    $$
    w_\text{centre} = -1, \qquad
    w_i = v_i + \frac{1 - \sum_{j} v_j}{h \cdot w - 1}
    $$

    so it holds before the first step, when the layer is frozen, after
    `set_weights`, under averaged weights, with any optimizer and in any policy. The
    kernel is built, and the convolution computed, in float32 also when the policy
    computes in 16 bits (float64 under a float64 policy); only the result is rounded
    to the compute dtype. Hardware that computes float32 convolutions in TF32 rounds
    the taps to 11 bits on the way: switch TF32 off to keep flat images at 0.

    Arguments, their order and their defaults are those of `keras.layers.Conv2D`, but
    for `use_bias=False`, since a bias would break the zero response to flat images,
    `normalization`, and `kernel_constraint` and LoRA, which have no place here.

    Args:
        filters: Positive integer, the number of output channels.
        kernel_size: Odd integer or tuple of 2 odd integers, not 1x1.
        strides: Integer or tuple of 2 integers.
        padding: `"valid"`, `"same"` (zeros), or `"reflect"` or `"symmetric"`, with
            which a flat image gives 0 everywhere.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        dilation_rate: Integer or tuple of 2 integers.
        groups: Positive integer that divides the channels and the filters.
        activation: Activation function, or `None`.
        use_bias: Whether to add a bias.
        kernel_initializer: Initializer of the free weights.
        bias_initializer: Initializer of the bias.
        kernel_regularizer: Regularizer of the free weights.
        bias_regularizer: Regularizer of the bias.
        activity_regularizer: Regularizer of the output.
        bias_constraint: Constraint of the bias.
        normalization: `"project"`, the Euclidean projection above, or `"divide"`,
            the published $w_i = v_i / \sum_j v_j$, made safe near a zero sum.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; any integer or
        float dtype and range. The layer is linear: it does not truncate.

    Output shape:
        The same with `filters` channels; height and width are `ceil(size / stride)`,
        less the border for `"valid"`.

    Raises:
        ValueError: If a kernel side is even or the kernel is 1x1, if another argument
            is outside the values above, or an image is too small for the padding.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_forensics.layers import BayarConv2D

    layer = BayarConv2D(3, 5)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    print(layer(images).shape)
    #> (2, 60, 60, 3)
    flat = keras.ops.convert_to_numpy(layer(np.full((1, 8, 8, 3), 0.5)))
    print(bool(abs(flat).max() < 1e-6))
    #> True
    ```

    References:
        - Bayar, B. & Stamm, M. C. (2016). A deep learning approach to universal
          image manipulation detection using a new convolutional layer. IH&MMSec.
          <https://doi.org/10.1145/2909827.2930786>
        - Bayar, B. & Stamm, M. C. (2018). Constrained convolutional neural networks.
          IEEE Transactions on Information Forensics and Security 13(11).
          <https://doi.org/10.1109/TIFS.2018.2825953>
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        padding="valid",
        data_format=None,
        dilation_rate=(1, 1),
        groups=1,
        activation=None,
        use_bias=False,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        bias_constraint=None,
        normalization="project",
        **kwargs,
    ):
        for argument in ("kernel_constraint", "lora_rank", "lora_alpha"):
            if (value := kwargs.pop(argument, None)) is not None:
                raise ValueError(
                    f"`{argument}` cannot be used: the kernel is always the Bayar "
                    f"constraint's. Received: {argument}={value!r}"
                )
        super().__init__(
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding="valid",  # ours is set below: Keras knows two of the four
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            # Autocasting would round the pixels before they are filtered.
            autocast=False,
            **kwargs,
        )
        arguments.check_kernel_size(self.kernel_size)
        self.padding = arguments.check_padding(padding)
        self.normalization = arguments.check_normalization(normalization)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        channels = arguments.count_channels(input_shape, self.data_format)
        if channels % self.groups:
            raise ValueError(
                f"`groups` must divide the number of input channels, {channels}. "
                f"Received: groups={self.groups}, input_shape={tuple(input_shape)}"
            )
        self.compute_output_shape(input_shape)
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={arguments.channel_axis(self.data_format): channels}
        )
        # Without autocast=False a mixed policy would hand over 16-bit copies.
        self.free_kernel = self.add_weight(
            name="free_kernel",
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                autocast=False,
            )

    @property
    def kernel(self):
        """The constrained kernel, `(height, width, channels // groups, filters)`."""
        if not self.built:
            raise AttributeError(f"Build {self.name!r} before you read its `kernel`.")
        free_kernel = ops.cast(self.free_kernel, arithmetic_dtype(self.compute_dtype))
        return bayar_kernel(free_kernel, self.normalization)

    def convolution_op(self, inputs, kernel):
        return residual_conv(
            ops.cast(inputs, kernel.dtype),
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def call(self, inputs):
        return ops.cast(super().call(inputs), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return residual_conv_shape(
            input_shape,
            self.filters,
            self.kernel_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    # Conv2D would save the constrained kernel: with the free one, training goes on
    # bit for bit.
    save_own_variables = keras.layers.Layer.save_own_variables
    load_own_variables = keras.layers.Layer.load_own_variables

    def enable_lora(self, *args, **kwargs):
        """Not supported: raises `NotImplementedError`."""
        raise NotImplementedError(
            f"LoRA would add to the kernel of {self.name!r} what the Bayar constraint "
            "forbids."
        )

    def get_config(self):
        config = super().get_config()
        del config["kernel_constraint"]
        return {**config, "normalization": self.normalization}
