"""Subtractive pixel adjacency features."""

import keras

from keras_forensics import arguments
from keras_forensics.layers.rich_model import RichModel
from keras_forensics.ops.spam_features import DIRECTIONS, ORDER, spam_features


@keras.saving.register_keras_serializable(package="keras_forensics")
class SPAMFeatures(RichModel):
    r"""How often three consecutive differences of pixels take which values.

    $$
    d_i = \operatorname{trunc}_T(x_i - x_{i+1}), \qquad
    M_{uvw} = \Pr(d_{i+2} = u,\ d_{i+1} = v,\ d_i = w)
    $$

    averaged over the four straight directions (right, left, down, up), and over the
    four diagonal ones: 343 features each for $T = 3$. These are joint frequencies, as
    in the authors' own code; the paper divides by those of pairs.

    The smallest of the rich models, in milliseconds an image: for embedding that
    changes pixels everywhere, as a baseline, and where training sets are small.
    `SRMFeatures` detects adaptive embedding better.

    Args:
        truncation: Largest difference $T$ that is kept apart, 1 to 127.
        selected: Names of the submodels to compute, of `"straight"` and `"diagonal"`.
            Defaults to both.
        value_range: `(low, high)`, the values in the input that mean black and white.
            Inputs are mapped to grey levels 0..255 and rounded.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Attributes:
        submodels: Where each submodel is among the features of one channel:
            `{name: slice}`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; grey levels, of any
        integer or float dtype, 4 pixels or more a side.

    Output shape:
        `(batch, channels * 686)`, one channel after the other. Each submodel sums to 1.
        Features are computed in float32 where the policy has 16 bits, and then rounded.
        They have no gradient.

    Raises:
        ValueError: If an argument is outside the values above, or an image too small.

    Note:
        On TensorFlow, exact counting has no XLA form: Keras compiles models with this
        layer without it.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import SPAMFeatures

    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 1), "uint8")
    layer = SPAMFeatures()
    print(layer(images).shape, layer.submodels["diagonal"])
    #> (2, 686) slice(343, 686, None)
    ```

    References:
        - Pevny, T., Bas, P. & Fridrich, J. (2010). Steganalysis by subtractive pixel
          adjacency matrix. IEEE Transactions on Information Forensics and Security
          5(2). <https://doi.org/10.1109/TIFS.2010.2045842>
    """

    def __init__(
        self,
        truncation=3,
        selected=None,
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(selected, value_range, data_format, **kwargs)
        self.truncation = arguments.check_truncation(truncation)
        bins = (2 * self.truncation + 1) ** ORDER
        self._choose(dict.fromkeys(DIRECTIONS, bins))

    def _features(self, images):
        return spam_features(
            images[:, 0], self.submodels, self.truncation, self.arithmetic_dtype
        )

    def get_config(self):
        return {**super().get_config(), "truncation": self.truncation}
