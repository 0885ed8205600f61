"""Fixed residual filters with exact integer arithmetic."""

import keras
import numpy as np
from keras import ops

from keras_forensics import filters
from keras_forensics.layers import arguments
from keras_forensics.layers.residual import (
    residual_conv,
    residual_conv_shape,
    residual_dtype,
    to_grey_levels,
)


@keras.saving.register_keras_serializable(package="keras_forensics")
class SRMFilterBank(keras.layers.Layer):
    r"""Truncated residuals of a bank of fixed high-pass filters.

    Every filter $k$ with integer taps $t_k$ and divisor $d_k$ is applied to every
    channel $c$ of the grey levels $g$:

    $$
    r_{c,k} = \operatorname{clip}\left(\frac{t_k \star g_c}{d_k},\ -T,\ T\right)
    $$

    Convolving with integers and dividing last makes the residual of integer pixels
    exact: it is bit-identical to integer arithmetic, in every dtype policy. The
    arithmetic runs in float32 (float64 under a float64 policy) also when the policy
    computes in 16 bits, and inputs are not cast down first. Residuals of non-integer
    pixels are therefore within 0.001 grey levels before they are rounded, once, to the
    compute dtype. Hardware that computes float32 convolutions in TF32 keeps integer
    pixels exact, and rounds others to 11 bits; `predict` on the openvino backend
    computes in bfloat16 on processors that have it, like OpenVINO itself.

    The layer has nothing to train, and no weights are saved with it: the bank is
    part of its configuration.

    Args:
        bank: Name of a bank in `keras_forensics.filters` (`"srm30"`, `"v3"`,
            `"rgbn"`), or an array of taps of shape `(filters, height, width)` with
            odd height and width. Only integer taps give exact residuals.
        threshold: Truncation threshold $T$ in grey levels, a positive number, or
            `None` for no truncation.
        padding: `"reflect"` or `"symmetric"` (a flat image gives 0 everywhere),
            `"valid"`, or `"same"` (zeros, which make a frame of residuals).
        strides: Integer or tuple of 2 integers. Residuals are sampled at every
            `strides`-th pixel, each from its full-resolution neighbourhood.
        value_range: `(low, high)`, the values in the input that mean black and
            white. Inputs are mapped to grey levels 0..255 before filtering, so that
            the threshold means the same for every range.
        sum_channels: If `True`, each filter's residuals are summed over the input
            channels before truncation, which gives one map a filter, as in RGB-N.
        divisors: Positive numbers, one a filter, for `bank` given as an array.
            Defaults to 1. Only integers up to 200 give exact residuals.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; any integer or
        float dtype.

    Output shape:
        The same with `channels * filters` maps in channel-major order (all filters
        of the first channel, then of the second), or `filters` maps with
        `sum_channels`. Height and width are `ceil(size / stride)`, less the border
        for `"valid"`. Values lie in `[-threshold, threshold]`.

    Raises:
        ValueError: If an argument is outside the values above, or an image is too
            small for the padding.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import SRMFilterBank

    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    print(SRMFilterBank("srm30")(images).shape)
    #> (2, 64, 64, 90)
    ```

    References:
        - Fridrich, J. & Kodovsky, J. (2012). Rich models for steganalysis of
          digital images.
        - Zhou, P. et al. (2018). Learning rich features for image manipulation
          detection (`bank="rgbn", sum_channels=True, threshold=None`).
    """

    def __init__(
        self,
        bank="srm30",
        threshold=3.0,
        padding="reflect",
        strides=1,
        value_range=(0, 255),
        sum_channels=False,
        divisors=None,
        data_format=None,
        **kwargs,
    ):
        # Autocasting would round non-integer pixels before they are filtered.
        super().__init__(autocast=False, **kwargs)
        self._taps, self._divisors = _read_bank(bank, divisors)
        if isinstance(bank, str):
            self.bank, self.divisors = bank, None
        else:
            self.bank, self.divisors = self._taps.tolist(), self._divisors.tolist()
        self.threshold = arguments.check_threshold(threshold)
        self.padding = arguments.check_padding(padding)
        self.strides = arguments.check_pair(strides, "strides")
        self.value_range = arguments.check_value_range(value_range)
        self.sum_channels = bool(sum_channels)
        self.data_format = arguments.check_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        self.compute_output_shape(input_shape)
        channels = arguments.count_channels(input_shape, self.data_format)
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={arguments.channel_axis(self.data_format): channels}
        )
        reciprocals = np.stack(_split_reciprocals(self._divisors))
        if not self.sum_channels:
            reciprocals = np.tile(reciprocals, channels)
        if self.data_format == "channels_first":
            reciprocals = reciprocals[:, :, None, None]
        self.kernel = self._add_fixed(
            "kernel", _arrange(self._taps, channels, self.sum_channels)
        )
        self.reciprocals = self._add_fixed("reciprocals", reciprocals)

    def _add_fixed(self, name, value):
        return self.add_weight(
            name=name,
            shape=value.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(value, dtype),
            trainable=False,
            dtype=residual_dtype(self),
            autocast=False,
        )

    def call(self, inputs):
        residuals = residual_conv(
            to_grey_levels(inputs, self.value_range, residual_dtype(self)),
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )
        high, low = self.reciprocals[0], self.reciprocals[1]
        residuals = residuals * high - residuals * low
        if self.threshold is not None:
            residuals = ops.clip(residuals, -self.threshold, self.threshold)
        return ops.cast(residuals, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        channels = arguments.count_channels(input_shape, self.data_format)
        return residual_conv_shape(
            input_shape,
            len(self._taps) * (1 if self.sum_channels else channels),
            self._taps.shape[1:],
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def save_own_variables(self, store):
        """Saves nothing: the configuration holds the bank."""

    def load_own_variables(self, store):
        """Loads nothing, so that no file can change a fixed filter."""

    def get_config(self):
        return {
            **super().get_config(),
            "bank": self.bank,
            "threshold": self.threshold,
            "padding": self.padding,
            "strides": self.strides,
            "value_range": self.value_range,
            "sum_channels": self.sum_channels,
            "divisors": self.divisors,
            "data_format": self.data_format,
        }


def _read_bank(bank, divisors) -> tuple[np.ndarray, np.ndarray]:
    """Returns taps of shape `(filters, height, width)` and divisors `(filters,)`."""
    if isinstance(bank, str):
        if divisors is not None:
            raise ValueError(
                "`divisors` goes with a `bank` given as an array; a named bank has "
                f"its own. Received: bank={bank!r}, divisors={divisors!r}"
            )
        entries = filters.get(bank)
        return (
            np.array([entry.taps for entry in entries]),
            np.array([entry.divisor for entry in entries]),
        )
    taps = np.asarray(bank)
    if taps.ndim != 3 or taps.dtype.kind not in "iuf" or not np.isfinite(taps).all():
        raise ValueError(
            "`bank` must be a name or an array of finite taps of shape (filters, "
            f"height, width). Received: bank of shape {taps.shape} and dtype "
            f"{taps.dtype}"
        )
    if 0 in taps.shape or not (taps.shape[1] % 2 and taps.shape[2] % 2):
        raise ValueError(
            "`bank` must hold filters of odd height and width, which have a centre. "
            f"Received: bank of shape {taps.shape}"
        )
    if divisors is None:
        divisors = np.ones(len(taps), int)
    divisors = np.asarray(divisors)
    if (
        divisors.shape != (len(taps),)
        or divisors.dtype.kind not in "iuf"
        or not (np.isfinite(divisors) & (divisors > 0)).all()
    ):
        raise ValueError(
            f"`divisors` must be {len(taps)} positive numbers, one a filter. "
            f"Received: divisors={divisors.tolist()}"
        )
    return taps, divisors


def _split_reciprocals(divisors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits `1 / divisors` into `high - low`, with 8 significant bits in `high`.

    `r * high - r * low` is `r / divisor`, correctly rounded, for integers `r` below
    2^16 and integer divisors up to 200: the first product is exact, and the error of
    the second is too small to reach a rounding boundary. A plain division is not, since
    compilers multiply by the rounded reciprocal instead (XLA, TensorFlow's Grappler).
    """
    fraction, exponent = np.frexp(1 / divisors)
    high = np.ldexp(np.round(np.ldexp(fraction, 8)), exponent - 8)
    return high, (high * divisors - 1) / divisors


def _arrange(taps: np.ndarray, channels: int, sum_channels: bool) -> np.ndarray:
    """Arranges a bank as the kernel of one convolution over `channels` inputs.

    Returns:
        Array of shape `(height, width, channels // groups, maps)`. Up to 4 channels
        make one dense convolution, half of whose taps or more are zero: measured
        faster than a depthwise one on every backend. More channels are grouped.
    """
    kernels = np.moveaxis(taps, 0, -1)[:, :, None, :]
    if sum_channels:
        return np.repeat(kernels, channels, axis=2)
    if channels > 4:
        return np.tile(kernels, channels)
    return np.kron(np.eye(channels, dtype=taps.dtype), kernels)
