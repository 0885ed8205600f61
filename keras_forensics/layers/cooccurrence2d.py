"""Histograms of tuples of neighbouring residuals."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import ImageLayer
from keras_forensics.ops.cooccurrence import (
    EXACT_COUNTS_COMPILE,
    count_codes,
    merge_bins,
    quantize,
    soft_counts,
    symmetric_bins,
    tuple_codes,
)

DIRECTIONS = {  # (row step, column step) to the next neighbour
    "horizontal": (0, 1),
    "vertical": (1, 0),
    "diagonal": (1, 1),
    "minor_diagonal": (-1, 1),
}
SYMMETRIES = (None, "sign", "direction", "sign_and_direction", "minmax")


@keras.saving.register_keras_serializable(package="keras_forensics")
class Cooccurrence2D(ImageLayer):
    r"""Counts which values neighbouring residuals take together.

    $$
    h_{k_1 \dots k_n} = \frac{1}{N} \sum_i
    \bigl[\, d_i = k_1,\ d_{i+1} = k_2,\ \dots,\ d_{i+n-1} = k_n \,\bigr],
    \qquad
    d = \operatorname{trunc}_T\bigl(\operatorname{round}(r / q)\bigr)
    $$

    over all $N$ tuples of $n$ consecutive neighbours in a direction; the mean over the
    directions. Rounding is half away from zero. Neighbouring residuals of a photograph
    depend on each other, and embedding, editing and generation change how. This is the
    step from residuals to features in rich models: `SPAMFeatures`, `SRMFeatures` and
    `ColorRichFeatures` are made of it.

    Counts are integers, exact for any number of pixels. They have no gradient: with
    `soft=True` a residual belongs to the two nearest multiples of the step, with
    weights $\max(0, 1 - |r/q - k|)$, and the histogram is differentiable (its gradient
    is 0 where residuals are truncated). Where all residuals are multiples of the step,
    both are the same.

    Args:
        order: Number $n$ of neighbours in a tuple.
        truncation: Largest multiple $T$ of the step that is kept apart, 1 to 127. There
            are $(2T + 1)^n$ bins before symmetries.
        quantization_step: Positive number $q$, in units of the residuals.
        directions: Tuple of `"horizontal"`, `"vertical"`, `"diagonal"` (down and
            right), `"minor_diagonal"` (up and right).
        symmetry: Which tuples share a bin. `None`: none do. `"sign"`: with their
            negatives. `"direction"`: with themselves read backwards.
            `"sign_and_direction"`: both, for residuals of linear filters. `"minmax"`:
            the first half of the channels holds smallest values, the second half
            largest ones, which are negated and counted with them; and `"direction"`.
        pool_maps: If `True`, the tuples of all channels are counted together.
        soft: If `True`, the differentiable form.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        Residuals `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`, of any integer or
        float dtype, with at least `order` pixels along each direction.

    Output shape:
        `(batch, bins)`, or `(batch, channels * bins)` without `pool_maps` (half as many
        channels for `"minmax"`). Each histogram sums to 1. Bins are ordered by their
        tuples, the first neighbour being the most significant, from $-T$ to $T$; merged
        bins by their first tuple, for `"sign_and_direction"` after the bin of zeros.
        They are computed in float32 where the policy has 16 bits, and then rounded:
        float16 cannot tell single counts of large images apart.

    Raises:
        ValueError: If an argument is outside the values above, an image is too small,
            or `"minmax"` gets an odd number of channels.

    Note:
        On TensorFlow, exact counting has no XLA form: Keras compiles models with this
        layer without it.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import Cooccurrence2D, SRMFilterBank

    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 1), "uint8")
    residuals = SRMFilterBank("rgbn", threshold=None)(images)
    histograms = Cooccurrence2D(symmetry="sign_and_direction")(residuals)
    print(histograms.shape)
    #> (2, 169)
    ```

    References:
        - Pevny, T., Bas, P. & Fridrich, J. (2010). Steganalysis by subtractive pixel
          adjacency matrix. IEEE Transactions on Information Forensics and Security
          5(2). <https://doi.org/10.1109/TIFS.2010.2045842>
        - Fridrich, J. & Kodovsky, J. (2012). Rich models for steganalysis of digital
          images. IEEE Transactions on Information Forensics and Security 7(3).
          <https://doi.org/10.1109/TIFS.2012.2190402>
    """

    def __init__(
        self,
        order=4,
        truncation=2,
        quantization_step=1.0,
        directions=("horizontal", "vertical"),
        symmetry=None,
        pool_maps=True,
        soft=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format, **kwargs)
        self.order = arguments.check_positive_integer(order, "order")
        self.truncation = arguments.check_truncation(truncation)
        self.quantization_step = arguments.check_positive_number(
            quantization_step, "quantization_step"
        )
        self.directions = _check_directions(directions)
        if symmetry not in SYMMETRIES:
            raise ValueError(
                f"`symmetry` must be one of {SYMMETRIES}. "
                f"Received: symmetry={symmetry!r}"
            )
        self.symmetry = symmetry
        self.pool_maps = bool(pool_maps)
        self.soft = bool(soft)
        self.supports_jit = self.soft or EXACT_COUNTS_COMPILE

    def call(self, inputs):
        residuals = ops.cast(inputs, self.arithmetic_dtype)
        if self.data_format == "channels_last":
            residuals = ops.transpose(residuals, (0, 3, 1, 2))
        batch, channels, height, width = ops.shape(residuals)
        maps = ops.reshape(residuals, (batch * channels, height, width))
        pooled = channels // self._count_histograms(channels)
        mean = 0
        for direction in self.directions:
            rows, columns = DIRECTIONS[direction]
            counts = self._count(maps, batch * channels, {1: rows, 2: columns})
            counts = ops.reshape(counts, (batch, channels, -1))
            counts = ops.cast(self._merge(counts), self.arithmetic_dtype)
            tuples = (height - (self.order - 1) * abs(rows)) * (
                width - (self.order - 1) * abs(columns)
            )
            mean += counts / ops.cast(
                tuples * pooled * len(self.directions), self.arithmetic_dtype
            )
        return ops.cast(mean, self.compute_dtype)

    def _count(self, maps, number, direction):
        """Counts `(maps, bins)`: integers, or with `soft` floats."""
        direction = {axis: step for axis, step in direction.items() if step}
        if self.soft:
            return soft_counts(
                maps, self.quantization_step, self.truncation, direction, self.order
            )
        base = 2 * self.truncation + 1
        levels = quantize(maps, self.quantization_step, self.truncation)
        histogram = ops.reshape(ops.arange(number, dtype="int32"), (-1, 1, 1))
        codes = tuple_codes(levels, direction, self.order, base, histogram)
        return count_codes(codes, number, self.order, base)

    def _merge(self, counts):
        """Features `(batch, features)` of counts `(batch, channels, bins)`."""
        if self.symmetry == "minmax":
            smallest, largest = ops.split(counts, 2, axis=1)
            counts = smallest + ops.flip(largest, axis=-1)
        if self.pool_maps:
            counts = ops.sum(counts, axis=1, keepdims=True)
        counts = merge_bins(counts, self._bins)
        return ops.reshape(counts, (-1, counts.shape[1] * len(self._bins)))

    @property
    def _bins(self):
        symmetry = {None: "none", "minmax": "direction"}.get(
            self.symmetry, self.symmetry
        )
        return symmetric_bins(self.order, 2 * self.truncation + 1, symmetry)

    def _count_histograms(self, channels):
        if self.pool_maps:
            return 1
        return channels // 2 if self.symmetry == "minmax" else channels

    def compute_output_shape(self, input_shape):
        channels = self.count_channels(input_shape)
        if self.symmetry == "minmax" and channels % 2:
            raise ValueError(
                'symmetry="minmax" needs smallest and largest values, an even number '
                f"of channels. Received: input_shape={tuple(input_shape)}"
            )
        for axis, reach in zip(self.spatial_axes, self._reach(), strict=True):
            arguments.check_side(input_shape, axis, reach)
        return (input_shape[0], self._count_histograms(channels) * len(self._bins))

    def _reach(self):
        """The fewest rows and columns that hold a tuple of every direction."""
        steps = [DIRECTIONS[direction] for direction in self.directions]
        return [
            1 + (self.order - 1) * max(map(abs, each))
            for each in zip(*steps, strict=True)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "order": self.order,
            "truncation": self.truncation,
            "quantization_step": self.quantization_step,
            "directions": self.directions,
            "symmetry": self.symmetry,
            "pool_maps": self.pool_maps,
            "soft": self.soft,
        }


def _check_directions(directions) -> tuple[str, ...]:
    if (
        not isinstance(directions, (list, tuple))
        or not directions
        or not set(directions) <= set(DIRECTIONS)
        or len(set(directions)) < len(directions)
    ):
        raise ValueError(
            f"`directions` must be a tuple of some of {tuple(DIRECTIONS)}. "
            f"Received: directions={directions!r}"
        )
    return tuple(directions)
