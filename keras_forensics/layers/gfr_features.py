"""Features of Gabor filters' residuals."""

import itertools

import keras

from keras_forensics.layers.rich_model import GridRichModel
from keras_forensics.ops.gfr_features import DIRECTIONS, SCALES, WAVES, gfr_features
from keras_forensics.ops.grid_histograms import PHASES

TRUNCATION = 4

STEPS = {75: (2, 4, 6, 8), 95: (0.5, 1, 1.5, 2)}
"""Published quantisation steps of the four scales, by quality."""


@keras.saving.register_keras_serializable(package="keras_forensics")
class GFRFeatures(GridRichModel):
    r"""Histograms of Gabor filters' residuals, for JPEG: 17,000 features.

    $$
    h_{ab}(k) = \frac{1}{N} \sum_{i,j} \bigl[\, \operatorname{trunc}_4
    \operatorname{round} (|r_{8i+a,\,8j+b}| / q_\sigma) = k \,\bigr], \qquad
    r = x \star g_{\varphi \sigma \theta}
    $$

    for Gabor filters $g$ of 8x8 taps that sum to 0: cosines and sines of four scales
    $\sigma$ in 32 directions $\theta$, and 25 places $(a, b)$ in the grid of blocks, as
    in `DCTRFeatures`. Directions that are mirror images of each other are averaged,
    which leaves 17. $x$ are the pixels of a JPEG file before they are rounded.

    Take it for adaptive embedding in JPEG coefficients, such as J-UNIWARD's, where its
    directions see more than the DCT's patterns do; it has twice the features of
    `DCTRFeatures` and takes longer. Its files must have one quality, and their grid
    must begin at the first pixel. Not for pixels that were never in a JPEG file.

    Args:
        quality: Quality of the files on libjpeg's scale for which there are published
            steps, 75 or 95.
        quantization_steps: Steps $q_\sigma$ of the four scales, from the finest, in
            grey levels; for files of any quality. Defaults to those published for
            `quality`: `(2, 4, 6, 8)` and `(0.5, 1, 1.5, 2)`.
        selected: Names of the submodels to compute; only these take time. Defaults to
            all.
        value_range: `(low, high)`, the values in the input that mean black and white.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Attributes:
        submodels: Where each submodel is among the features of one channel, one for
            each wave, scale in pixels, and direction in 32nds of half a turn, in the
            published order: `{"cos_0.5_00": slice(0, 125), "cos_0.5_01": ...,
            "sin_1.25_16": slice(16875, 17000)}`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; unrounded luma in
        grey levels, best in float64, 15 pixels or more a side.

    Output shape:
        `(batch, channels * 17000)`, one channel after the other. Each histogram of 5
        sums to 1. Residuals are computed in float64 whatever the policy (in float32 on
        JAX, unless it was told to enable 64 bits), and features in float32 where it has
        16 bits, and then rounded. They have no gradient.

    Raises:
        ValueError: If an argument is outside the values above, or an image too small.

    Note:
        On TensorFlow, exact counting has no XLA form: Keras compiles models with this
        layer without it.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import GFRFeatures

    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 40, 1))
    layer = GFRFeatures(quality=95)
    print(layer(pixels).shape, layer.submodels["cos_0.5_01"])
    #> (2, 17000) slice(125, 250, None)
    ```

    References:
        - Song, X., Liu, F., Yang, C., Luo, X. & Zhang, Y. (2015). Steganalysis of
          adaptive JPEG steganography using 2D Gabor filters. ACM Workshop on
          Information Hiding and Multimedia Security.
          <https://doi.org/10.1145/2756601.2756608>
    """

    def __init__(
        self,
        quality=75,
        quantization_steps=None,
        selected=None,
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(selected, value_range, data_format, **kwargs)
        if quantization_steps is None and quality not in STEPS:
            raise ValueError(
                "`quality` must be 75 or 95, for which there are published steps; for "
                "others, give `quantization_steps`, the four scales' steps in grey "
                f"levels. Received: quality={quality!r}"
            )
        self.quality = quality
        self.quantization_steps = _check_steps(quantization_steps)
        filters = {
            f"{wave}_{scale:g}_{direction:02}": (wave, scale, direction)
            for wave, scale, direction in itertools.product(
                WAVES, SCALES, range(DIRECTIONS)
            )
        }
        self._choose(dict.fromkeys(filters, PHASES * (TRUNCATION + 1)))
        self._filters = [filters[name] for name in self.submodels]

    def _features(self, images):
        return gfr_features(
            images[:, 0] - 128,
            self._filters,
            self.quantization_steps or STEPS[self.quality],
            TRUNCATION,
            self.arithmetic_dtype,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "quality": self.quality,
            "quantization_steps": self.quantization_steps,
        }


def _check_steps(steps) -> tuple[float, ...] | None:
    if steps is None:
        return None
    try:
        checked = tuple(float(step) for step in steps)
    except (TypeError, ValueError):
        checked = ()
    if len(checked) != len(SCALES) or not all(0 < step < 1e6 for step in checked):
        raise ValueError(
            "`quantization_steps` must be four positive numbers, from the finest scale "
            f"on. Received: quantization_steps={steps!r}"
        )
    return checked
