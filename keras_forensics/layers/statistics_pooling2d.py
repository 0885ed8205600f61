"""Mean and standard deviation of each channel."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import ImageLayer


@keras.saving.register_keras_serializable(package="keras_forensics")
class StatisticsPooling2D(ImageLayer):
    r"""Pools each channel to its mean and its standard deviation over the image.

    $$
    \operatorname{pool}(x) = [\,\bar{x},\ s\,], \qquad
    s_c^2 = \operatorname{mean}\bigl((x_c - \bar{x}_c)^2\bigr) + \varepsilon
    $$

    with $\bar{x}_c$ the mean of a channel over the image. It says how much of something
    an image holds; the deviation $s_c$ says how unevenly, which is what noise and its
    processing change. Neither depends on the size of the image.

    Args:
        epsilon: Positive number $\varepsilon$, added to the variance: the gradient of
            the square root is infinite at 0, where a channel is flat.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`.

    Output shape:
        `(batch, 2 * channels)`: the means, then the deviations, both in the units of
        the input. They are computed in float32 where the policy has 16 bits.

    Raises:
        ValueError: If `epsilon` is not a positive number or the number of channels is
            unknown.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import StatisticsPooling2D

    checkerboard = np.indices((8, 8)).sum(axis=0) % 2
    flat = np.full((8, 8), 0.5)
    features = np.stack([checkerboard, flat], axis=-1)[None]
    pooled = np.asarray(StatisticsPooling2D()(features))
    print(pooled.round(2))
    #> [[0.5  0.5  0.5  0.01]]
    ```

    References:
        - Fuji Tsang, C. & Fridrich, J. (2018). Steganalyzing images of arbitrary size
          with CNNs (moments of feature maps, which do not depend on the image's size).
          Electronic Imaging. <https://doi.org/10.2352/ISSN.2470-1173.2018.07.MWSF-121>
        - Snyder, D. et al. (2018). X-vectors: robust DNN embeddings for speaker
          recognition (the name, and these two moments). ICASSP.
          <https://doi.org/10.1109/ICASSP.2018.8461375>
    """

    def __init__(self, epsilon=1e-4, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.epsilon = arguments.check_positive_number(epsilon, "epsilon")

    def call(self, inputs):
        x, places = ops.cast(inputs, self.arithmetic_dtype), self.spatial_axes
        mean = ops.mean(x, places)
        variance = ops.mean(ops.square(x - ops.expand_dims(mean, places)), places)
        pooled = ops.concatenate([mean, ops.sqrt(variance + self.epsilon)], axis=-1)
        return ops.cast(pooled, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2 * self.count_channels(input_shape))

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
