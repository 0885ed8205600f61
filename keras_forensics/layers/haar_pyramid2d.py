"""The integer Haar transform of images over several scales, and its inverse."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import ImageLayer
from keras_forensics.ops import haar_pyramid, inverse_haar_pyramid


@keras.saving.register_keras_serializable(package="keras_forensics")
class HaarPyramid2D(ImageLayer):
    r"""The reversible Haar transform (S transform) of each channel, or its inverse.

    A pair of neighbouring pixels $x_0, x_1$ becomes their difference and their mean,
    rounded down, in two steps of lifting:

    $$
    d = x_0 - x_1, \qquad s = x_1 + \lfloor d / 2 \rfloor
        = \left\lfloor \frac{x_0 + x_1}{2} \right\rfloor
    $$

    first along rows, then along columns, which leaves four bands: means of means (LL),
    differences of neighbours in a row (HL), in a column (LH), and of both (HH). The
    next level splits LL again. From $s$ and $d$ the pixels follow exactly, so the
    inverse gives back integers to the bit; a last pixel without a neighbour is a mean
    of its own. With `orthonormal`, the bands are $(x_0 \pm x_1) / \sqrt{2}$, not
    rounded, which keeps the energy of the image.

    The arithmetic runs in float32 (float64 under a float64 policy). Results of grey
    levels lie in -510..510, which float16 holds exactly, and bfloat16 does not:
    under `"mixed_bfloat16"` the transform is not reversible. Gradients are those of
    the transform without rounding.

    Args:
        levels: Positive integer, how often the lowest band is split.
        orthonormal: If `True`, the orthonormal Haar transform.
        inverse: If `True`, from bands to pixels.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`, with sides of at
        least `2**levels`. Integers, if the result is to be reversible.

    Output shape:
        The same, in Mallat's arrangement: of a level's height $h$ and width $w$, LL
        is `[:ceil(h / 2), :ceil(w / 2)]`, HL to the right of it, LH below it, HH the
        rest. The next level is arranged so within LL.

    Raises:
        ValueError: If an argument is outside the values above, or an image is smaller
            than `2**levels` pixels.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import HaarPyramid2D

    images = np.random.default_rng(0).integers(0, 256, (2, 17, 24, 3), "uint8")
    bands = HaarPyramid2D()(images)
    print(bands[:, 9:, 12:].shape)  # HH
    #> (2, 8, 12, 3)
    pixels = np.asarray(HaarPyramid2D(inverse=True)(bands))
    print(bool((pixels == images).all()))
    #> True
    ```

    References:
        - Said, A. & Pearlman, W. A. (1996). An image multiresolution representation for
          lossless and lossy compression. IEEE Transactions on Image Processing 5(9).
          <https://doi.org/10.1109/83.535842>
        - Calderbank, A. R. et al. (1998). Wavelet transforms that map integers to
          integers. Applied and Computational Harmonic Analysis 5(3).
          <https://doi.org/10.1006/acha.1997.0238>
    """

    def __init__(
        self,
        levels=1,
        orthonormal=False,
        inverse=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.levels = arguments.check_positive_integer(levels, "levels")
        self.orthonormal = bool(orthonormal)
        self.inverse = bool(inverse)

    def call(self, inputs):
        transform = inverse_haar_pyramid if self.inverse else haar_pyramid
        outputs = transform(
            ops.cast(inputs, self.arithmetic_dtype),
            self.levels,
            self.orthonormal,
            self.data_format,
        )
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        for axis in self.spatial_axes:
            arguments.check_side(input_shape, axis, 2**self.levels)
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "levels": self.levels,
            "orthonormal": self.orthonormal,
            "inverse": self.inverse,
        }
