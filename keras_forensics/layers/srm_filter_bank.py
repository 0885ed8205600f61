"""Fixed residual filters with exact integer arithmetic."""

import keras
import numpy as np
from keras import ops

from keras_forensics import arguments, filters
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops import (
    bank_kernel,
    exact_denominators,
    residual_conv,
    residual_conv_shape,
)

# Larger than any sum: truncation that changes nothing, but is there.
NO_LIMIT = 1e30


@keras.saving.register_keras_serializable(package="keras_forensics")
class SRMFilterBank(GreyLevelLayer):
    r"""Truncated residuals of a bank of fixed high-pass filters.

    Every filter $k$ with integer taps $t_k$ and divisor $d_k$ is applied to every
    channel $c$ of the grey levels $g$:

    $$
    r_{c,k} = \operatorname{clip}_{\,-T}^{\,+T}\; \frac{t_k \star g_c}{d_k}
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
            odd height and width. Only integer taps give exact residuals. Taps are
            not checked to sum to 0; `testing.assert_high_pass` does that.
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
            Defaults to 1. Integers up to 14, and these times a power of two (24, 48),
            give exact residuals, with taps whose magnitudes sum to at most 5000.
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
          digital images. IEEE Transactions on Information Forensics and Security 7(3).
          <https://doi.org/10.1109/TIFS.2012.2190402>
        - Zhou, P. et al. (2018). Learning rich features for image manipulation
          detection (`bank="rgbn", sum_channels=True, threshold=None`). CVPR.
          <https://arxiv.org/abs/1805.04953>
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
        super().__init__(value_range, data_format=data_format, **kwargs)
        self._taps, self._divisors = _read_bank(bank, divisors)
        if isinstance(bank, str):
            self.bank, self.divisors = bank, None
        else:
            self.bank, self.divisors = self._taps.tolist(), self._divisors.tolist()
        self.threshold = arguments.check_threshold(threshold)
        self.padding = arguments.check_padding(padding)
        self.strides = arguments.check_pair(strides, "strides")
        self.sum_channels = bool(sum_channels)

    def build(self, input_shape):
        super().build(input_shape)
        channels = self.count_channels(input_shape)
        # Enlarged to integers over denominators that a multiplication divides by.
        denominators = exact_denominators(
            self._taps,
            self._divisors,
            channels if self.sum_channels else 1,
            self.arithmetic_dtype,
        )
        taps = self._taps * (denominators / self._divisors)[:, None, None]
        self.kernel = self._add_fixed(
            "kernel", bank_kernel(taps, channels, self.sum_channels)
        )
        scales = (1 / denominators).astype(self.arithmetic_dtype)
        self.scale = self._for_every_map(scales, channels)
        if not isinstance(self.scale, float):
            self.scale = self._add_fixed("scale", self.scale)
        if self.threshold is None:
            self._limit, self._ends_at_threshold = NO_LIMIT, True
        else:
            limits = np.ceil(self.threshold * denominators).astype(scales.dtype)
            threshold = scales.dtype.type(self.threshold)
            self._ends_at_threshold = bool((scales * limits == threshold).all())
            if not self._ends_at_threshold:
                # Rounding can leave a limit one unit short of the threshold, which
                # truncates once more then: any larger limit will do.
                limits = np.ceil(limits * (1 + 2**-10)) + 1
            self._limit = self._for_every_map(limits, channels)

    def _for_every_map(self, values, channels):
        """One number if it is the same for all filters, else an array for all maps."""
        if len(set(values)) == 1:
            return float(values[0])
        values = np.tile(values, 1 if self.sum_channels else channels)
        if self.data_format == "channels_first":
            values = values[:, None, None]
        return values

    def _add_fixed(self, name, value):
        return self.add_weight(
            name=name,
            shape=value.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(value, dtype),
            trainable=False,
            dtype=self.arithmetic_dtype,
            autocast=False,
        )

    def call(self, inputs):
        sums = residual_conv(
            self.to_grey_levels(inputs),
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )
        # Truncating before scaling keeps them apart: an optimiser of exported graphs
        # would multiply the kernel by the scale, whose taps then are no integers.
        residuals = self.scale * ops.clip(sums, -self._limit, self._limit)
        if not self._ends_at_threshold:
            residuals = ops.clip(residuals, -self.threshold, self.threshold)
        return ops.cast(residuals, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        channels = self.count_channels(input_shape)
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
            "sum_channels": self.sum_channels,
            "divisors": self.divisors,
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
