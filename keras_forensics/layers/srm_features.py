"""The spatial rich model."""

import keras

from keras_forensics import rich_models
from keras_forensics.layers.rich_model import RichModel
from keras_forensics.ops.rich_features import (
    count_features,
    rich_features,
    smallest_side,
)

ORDER, TRUNCATION = 4, 2
MODELS = {"full": rich_models.SRM, "q1": rich_models.SRM_Q1}


@keras.saving.register_keras_serializable(package="keras_forensics")
class SRMFeatures(RichModel):
    r"""The spatial rich model: co-occurrences of many residuals, 34,671 features.

    $$
    d = \operatorname{trunc}_2\Bigl(\operatorname{round}\frac{r}{q\,c}\Bigr), \qquad
    h_{k_1 k_2 k_3 k_4} = \frac{1}{N} \sum_i
    \bigl[\, d_i = k_1,\ \dots,\ d_{i+3} = k_4 \,\bigr]
    $$

    for integer residuals $r$ of 28 linear filters with divisor $c$ (of first, second
    and third order, 3×3 and 5×5 squares and their halves), and for the smallest and the
    largest of several of them at each pixel, along rows and along columns. Submodels
    are named as in the paper: `"s1_minmax22h_q1"` holds residuals of first order, the
    extremes of 2 directions in 2 ways, along rows and, turned, along columns, with
    quantisation step $q = 1$.

    Every count equals that of the published code. A submodel is the sum of the
    histograms of its directions: those of `"minmax"` sum to 4, those of `"spam"` to 2
    in each half, as published.

    Take it to detect adaptive embedding, or as features of texture and noise for a
    linear or ensemble classifier. For a first look `"q1"`, or a few `selected`
    submodels, do with a third of the time. In images that were compressed after what is
    looked for, `DCTRFeatures` sees more.

    Args:
        model: `"full"` (106 submodels, 34,671 features) or `"q1"`, those of
            quantisation step 1 (39 submodels, 12,753 features).
        selected: Names of the submodels to compute; only these take time. Defaults to
            all of the model.
        value_range: `(low, high)`, the values in the input that mean black and white.
            Inputs are mapped to grey levels 0..255 and rounded.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Attributes:
        submodels: Where each submodel is among the features of one channel, in the
            published order: `{name: slice}`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; grey levels, of any
        integer or float dtype, 8 pixels or more a side.

    Output shape:
        `(batch, channels * features)`, one channel after the other. Features are
        computed in float32 where the policy has 16 bits, and then rounded: float16
        cannot tell single counts of large images apart. They have no gradient;
        `Cooccurrence2D` has a soft form.

    Raises:
        ValueError: If an argument is outside the values above, or an image too small.

    Note:
        On TensorFlow, exact counting has no XLA form: Keras compiles models with this
        layer without it.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import SRMFeatures

    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), "uint8")
    layer = SRMFeatures("q1", selected=("s1_spam14hv_q1", "s35_spam11_q1"))
    print(layer(images).shape, layer.submodels["s35_spam11_q1"])
    #> (2, 676) slice(338, 676, None)
    ```

    References:
        - Fridrich, J. & Kodovsky, J. (2012). Rich models for steganalysis of digital
          images. IEEE Transactions on Information Forensics and Security 7(3).
          <https://doi.org/10.1109/TIFS.2012.2190402>
    """

    def __init__(
        self,
        model="full",
        selected=None,
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(selected, value_range, data_format, **kwargs)
        if model not in MODELS:
            raise ValueError(
                f"`model` must be one of {tuple(MODELS)}. Received: model={model!r}"
            )
        self.model = model
        lengths = {
            submodel.name: count_features(submodel, ORDER, TRUNCATION)
            for submodel in MODELS[model]
        }
        self._choose(lengths)
        self._chosen = [each for each in MODELS[model] if each.name in self.submodels]
        self.smallest_side = smallest_side(self._chosen, ORDER)

    def _features(self, images):
        return rich_features(
            images, self._chosen, ORDER, TRUNCATION, self.arithmetic_dtype
        )

    def get_config(self):
        return {**super().get_config(), "model": self.model}
