"""Features of the discrete cosine transform's residuals."""

import keras

from keras_forensics import arguments
from keras_forensics.layers.rich_model import GridRichModel
from keras_forensics.ops.dctr_features import MODES, dctr_features
from keras_forensics.ops.grid_histograms import PHASES

TRUNCATION = 4


@keras.saving.register_keras_serializable(package="keras_forensics")
class DCTRFeatures(GridRichModel):
    r"""Histograms of the DCT at every offset of its grid, for JPEG: 8,000 features.

    $$
    r^{uv} = x \star b^{uv}, \qquad
    h^{uv}_{ab}(k) = \frac{1}{N} \sum_{i,j}
    \bigl[\, \operatorname{trunc}_4 \operatorname{round}
    (|r^{uv}_{8i+a,\,8j+b}| / q) = k \,\bigr]
    $$

    for the 64 patterns $b^{uv}$ of the DCT and 25 places $(a, b)$ in the grid of
    blocks: places mirrored in the grid, $(a, b)$, $(8-a, b)$, $(a, 8-b)$ and
    $(8-a, 8-b)$, are counted together. $x$ are the pixels of a JPEG file before they
    are rounded. The step follows from the quality $Q$ of the file: $q = 8\,(2 - Q/50)$
    from 50 on, at least 0.2, and $400 / Q$ below, at most 100.

    Take it for what was embedded in, or done to, JPEG coefficients. Its files must
    have one quality, and their grid must begin at the first pixel. Not for pixels that
    were never in a JPEG file: `SRMFeatures` sees more there.

    Args:
        quality: Quality $Q$ of the files on libjpeg's scale, 1..100.
        selected: Names of the submodels to compute; only these take time. Defaults to
            all.
        value_range: `(low, high)`, the values in the input that mean black and white.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Attributes:
        submodels: Where each submodel is among the features of one channel, one for
            each frequency down and across, in the published order:
            `{"dct_00": slice(0, 125), "dct_01": slice(125, 250), ...}`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; unrounded luma in
        grey levels, best in float64, 15 pixels or more a side.

    Output shape:
        `(batch, channels * 8000)`, one channel after the other. Each histogram of 5
        sums to 1. Residuals are computed in float64 whatever the policy, and features
        in float32 where it has 16 bits, and then rounded. They have no gradient.

    Raises:
        ValueError: If an argument is outside the values above, or an image too small.

    Note:
        Quantised coefficients make many residuals exact ties, half way between two
        multiples of the step. They are rounded up, as published, if they are known to
        6 digits: with inputs in float64, and on JAX only where it was told to enable 64
        bits. In float32, up to 6 of 10,000 residuals of a photograph fall into the next
        bin (at quality 95; 0.3 at 75), and up to a tenth of those in one histogram.

        On TensorFlow, exact counting has no XLA form: Keras compiles models with this
        layer without it.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import DCTRFeatures

    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 40, 1))
    layer = DCTRFeatures(quality=95)
    print(layer(pixels).shape, layer.submodels["dct_01"])
    #> (2, 8000) slice(125, 250, None)
    ```

    References:
        - Holub, V. & Fridrich, J. (2015). Low-complexity features for JPEG steganalysis
          using undecimated DCT. IEEE Transactions on Information Forensics and Security
          10(2). <https://doi.org/10.1109/TIFS.2014.2364918>
    """

    def __init__(
        self,
        quality=75,
        selected=None,
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(selected, value_range, data_format, **kwargs)
        self.quality = arguments.check_quality(quality)
        modes = {f"dct_{row}{column}": (row, column) for row, column in MODES}
        self._choose(dict.fromkeys(modes, PHASES * (TRUNCATION + 1)))
        self._modes = [modes[name] for name in self.submodels]

    @property
    def step(self) -> float:
        """The quantisation step, in grey levels."""
        if self.quality < 50:
            return min(400 / self.quality, 100)
        return max(8 * (2 - self.quality / 50), 0.2)

    def _features(self, images):
        return dctr_features(
            images[:, 0] - 128,
            self._modes,
            self.step,
            TRUNCATION,
            self.arithmetic_dtype,
        )

    def get_config(self):
        return {**super().get_config(), "quality": self.quality}
