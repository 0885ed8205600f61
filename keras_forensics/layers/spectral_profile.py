"""The power spectrum of images or residuals: whole, its profile, or its peaks."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops.spectrum import (
    DIRECTIONS,
    log_spectrum,
    peak_heights,
    power_spectrum,
    radial_profile,
)


@keras.saving.register_keras_serializable(package="keras_forensics")
class SpectralProfile(GreyLevelLayer):
    r"""The power spectrum of each channel, in decibels.

    The image is cut into tiles of $N \times N$ pixels that overlap by half. Each, less
    its mean, is multiplied by Hann's window $w$ and transformed, and the powers of all
    tiles are averaged:

    $$
    P_{uv} = \operatorname{mean}_{\,\text{tiles}}
        \frac{\bigl| \sum_{i,j} w_{ij}\, x_{ij}\, e^{-2 \pi \mathrm{i} (ui + vj) / N}
        \bigr|^2}{\sum_{i,j} w_{ij}^2}, \qquad
    L_{uv} = 10 \log_{10} P_{uv}
    $$

    So white noise of variance $\sigma^2$ has $P = \sigma^2$ at every frequency, and an
    image of any size gives the same number of outputs. The `output` is one of

    - `"radial"`: the mean of $P$ over all directions, in decibels, for `bins` bands of
      frequency from 0 to 1/2 cycle a pixel;
    - `"spectrum"`: $L$ itself;
    - `"peaks"`: how far $L$ at the frequencies $1/p$ of `periods` $p$ rises above the
      mean of the 40 frequencies that are 2 or 3 steps away, horizontally, vertically
      and diagonally. Transposed convolution puts zeros between the pixels it enlarges
      by $p$, which repeats their spectrum around these frequencies; a kernel that does
      not cancel it leaves peaks.

    It is computed in float32 (float64 under a float64 policy); 16 bits round the result
    only. Hardware that multiplies matrices in TF32 rounds pixels to 11 bits, which adds
    less noise than 8-bit images have. Powers below -60 decibels are rounding, and are
    raised to that.

    Args:
        size: Even integer $N$, at least 8, height and width of the tiles.
        output: `"radial"`, `"spectrum"` or `"peaks"`.
        bins: Positive integer, the bands of `"radial"`. Defaults to the most there can
            be, `size / 2`.
        periods: Integers, at least 2, each of which divides `size` and is at most
            `size / 8`: those of `"peaks"`, in pixels.
        value_range: `(low, high)`, the values of black and white in the input. Leave it
            for residuals in grey levels.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`: images, or residuals,
        with sides of at least `size`.

    Output shape:
        `(batch, channels * bins)` for `"radial"`, from low to high frequencies of the
        first channel, then of the second. `(batch, channels * 3 * len(periods))` for
        `"peaks"`: of the first channel, horizontal, vertical and diagonal height of
        the first period, then of the second. `(batch, size, size, channels)`, or with
        channels first, for `"spectrum"`, with frequency 0 at `[size / 2, size / 2]`.

    Raises:
        ValueError: If an argument is outside the values above, or an image is smaller
            than a tile.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import SpectralProfile

    noise = np.random.default_rng(0).normal(128, 10, (1, 256, 256, 1))
    enlarged = noise[:, :128, :128].repeat(2, 1).repeat(2, 2)
    images = np.concatenate([noise, enlarged])
    profiles = np.asarray(SpectralProfile(bins=4)(images))
    print(*profiles.round().astype(int).tolist())  # 10 * log10(10**2) is 20
    #> [20, 20, 20, 20] [26, 24, 21, 15]
    ```

    References:
        - Zhang, X., Karaman, S. & Chang, S.-F. (2019). Detecting and simulating
          artifacts in GAN fake images. WIFS. <https://arxiv.org/abs/1907.06515>
        - Durall, R., Keuper, M. & Keuper, J. (2020). Watch your up-convolution: CNN
          based generative deep neural networks are failing to reproduce spectral
          distributions. CVPR. <https://arxiv.org/abs/2003.01826>
    """

    def __init__(
        self,
        size=64,
        output="radial",
        bins=None,
        periods=(2, 4, 8),
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.size = arguments.check_tile_size(size)
        self.output_kind = arguments.check_spectral_output(output)
        self.bins = arguments.check_positive_integer(
            self.size // 2 if bins is None else bins, "bins"
        )
        self.periods = arguments.check_positive_integers(periods, "periods")
        if self.output_kind == "radial" and self.bins > self.size // 2:
            raise ValueError(
                f"`bins` must be at most `size / 2`. Received: bins={bins}, size={size}"
            )
        if self.output_kind == "peaks" and not (
            self.periods and all(map(self._has_neighbours, self.periods))
        ):
            raise ValueError(
                "`periods` must be integers of at least 2, each of which divides "
                "`size` and is at most `size / 8`. "
                f"Received: periods={periods}, size={size}"
            )

    def _has_neighbours(self, period):
        return period > 1 and self.size % period == 0 and 8 * period <= self.size

    def call(self, inputs):
        grey_levels = self.to_grey_levels(inputs)
        power = power_spectrum(grey_levels, self.size, self.data_format)
        if self.output_kind == "spectrum":
            outputs = log_spectrum(power, self.size)
            if self.data_format == "channels_last":
                outputs = ops.transpose(outputs, (0, 2, 3, 1))
        else:
            if self.output_kind == "radial":
                outputs = radial_profile(power, self.size, self.bins)
            else:
                outputs = peak_heights(power, self.size, self.periods)
            _, values = self.compute_output_shape(inputs.shape)
            outputs = ops.reshape(outputs, (-1, values))
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        channels = self.count_channels(input_shape)
        for axis in self.spatial_axes:
            arguments.check_side(input_shape, axis, self.size)
        if self.output_kind == "spectrum":
            sides = (self.size, self.size)
            if self.data_format == "channels_last":
                return (input_shape[0], *sides, channels)
            return (input_shape[0], channels, *sides)
        if self.output_kind == "radial":
            return (input_shape[0], channels * self.bins)
        return (input_shape[0], channels * len(DIRECTIONS) * len(self.periods))

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "output": self.output_kind,
            "bins": self.bins,
            "periods": self.periods,
        }
