"""The rich model of colour images."""

import keras

from keras_forensics import rich_models
from keras_forensics.layers.rich_model import RichModel
from keras_forensics.ops.rich_features import (
    count_features,
    rich_features,
    smallest_side,
)

COLOURS, TRUNCATION = 3, 3


@keras.saving.register_keras_serializable(package="keras_forensics")
class ColorRichFeatures(RichModel):
    r"""Co-occurrences of the residuals of red, green and blue, 5,404 features.

    $$
    h_{k_1 k_2 k_3} = \frac{1}{N} \sum_i
    \bigl[\, d_i^R = k_1,\ d_i^G = k_2,\ d_i^B = k_3 \,\bigr], \qquad
    d = \operatorname{trunc}_3\bigl(\operatorname{round}(r / c)\bigr)
    $$

    over all pixels, for the residuals $r$ of the spatial rich model and the extremes of
    several of them, with their divisors $c$. Colours of a photograph depend on each
    other, by demosaicking among others; embedding in each by itself breaks that, and so
    does generation. This is the part across colours of the colour rich model; the
    other part is `SRMFeatures` with `"q1"`, of the grey image or the sum over colours.

    Every count equals that of the published code, with its habits: residuals counted
    along rows and columns there are counted twice here where both are the same, so that
    submodels of extremes sum to 4 or 2, the others to 2 or, of squares, 1 each.

    Not for grey images, and not after colours were subsampled by JPEG with strong
    quantisation, where they depend on each other in other ways.

    Args:
        selected: Names of the submodels to compute; only these take time. Defaults to
            all 30.
        value_range: `(low, high)`, the values in the input that mean black and white.
            Inputs are mapped to grey levels 0..255 and rounded.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Attributes:
        submodels: Where each submodel is, in the published order: `{name: slice}`.

    Input shape:
        `(batch, height, width, 3)` for `"channels_last"`, `(batch, 3, height, width)`
        for `"channels_first"`; grey levels, of any integer or float dtype, 5 pixels or
        more a side.

    Output shape:
        `(batch, features)`. Features are computed in float32 where the policy has 16
        bits, and then rounded. They have no gradient.

    Raises:
        ValueError: If an argument is outside the values above, an image is too small or
            has not 3 channels.

    Note:
        On TensorFlow, exact counting has no XLA form: Keras compiles models with this
        layer without it.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import ColorRichFeatures

    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    layer = ColorRichFeatures(selected=("s1_spam14c_q1", "s2_minmax32c_q1"))
    print(layer(images).shape, layer.submodels["s2_minmax32c_q1"])
    #> (2, 296) slice(100, 296, None)
    ```

    References:
        - Goljan, M., Fridrich, J. & Cogranne, R. (2014). Rich model for steganalysis of
          color images. WIFS. <https://doi.org/10.1109/WIFS.2014.7084325>
    """

    colours = COLOURS

    def __init__(self, selected=None, value_range=(0, 255), data_format=None, **kwargs):
        super().__init__(selected, value_range, data_format, **kwargs)
        lengths = {
            submodel.name: count_features(submodel, COLOURS, TRUNCATION)
            for submodel in rich_models.COLOUR
        }
        self._choose(lengths)
        self._chosen = [
            each for each in rich_models.COLOUR if each.name in self.submodels
        ]
        self.smallest_side = smallest_side(self._chosen, COLOURS)

    def _features(self, images):
        return rich_features(
            images, self._chosen, COLOURS, TRUNCATION, self.arithmetic_dtype
        )

    def build(self, input_shape):
        if self.count_channels(input_shape) != COLOURS:
            raise ValueError(
                "ColorRichFeatures counts along three colours. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        super().build(input_shape)
