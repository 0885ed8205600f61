"""The V3 preset of the fixed residual bank."""

import keras

from keras_forensics.layers.srm_filter_bank import SRMFilterBank


@keras.saving.register_keras_serializable(package="keras_forensics")
class SRMLayerV3(SRMFilterBank):
    r"""The five residuals of the V3 detector: 15 maps for an RGB image.

    $$
    r_{c,k} = \operatorname{clip}_{\,-T}^{\,+T}\; \frac{t_k \star g_c}{d_k}
    $$

    with the grey levels $g_c$ of each channel $c$, and the integer taps $t_k$ and the
    divisor $d_k$ of each filter $k$.

    The preset `SRMFilterBank(bank="v3")`: KV, SPAM, MinMax, Bayar and Laplacian, in
    this order for each channel (R, G, B), truncated at 3 grey levels. The taps are
    in `keras_forensics.filters.V3`. Unlike the bank in circulation, which has rank 3
    and repeats itself, these five filters are linearly independent.

    Residuals of integer pixels are exact in every dtype policy; `SRMFilterBank` says
    how. There is nothing to train and nothing to save. The 1,125 non-trainable
    parameters that `summary()` counts for RGB images are taps of 15 maps in 5x5 pixels
    of 3 colours, two thirds of them zero because each map is of one colour. They are
    made anew from the name of the bank, in no file.

    Args:
        threshold: Truncation threshold in grey levels, a positive number, or `None`
            for no truncation.
        padding: `"reflect"`, `"symmetric"`, `"valid"` or `"same"`.
        strides: Integer or tuple of 2 integers.
        value_range: `(low, high)`, the input values of black and white.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's
            `image_data_format`.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`,
        `(batch, channels, height, width)` for `"channels_first"`; any integer or
        float dtype, values in `value_range`.

    Output shape:
        The same with `5 * channels` maps in channel-major order; values in
        `[-threshold, threshold]`.

    Raises:
        ValueError: If an argument is outside the values above, or an image is too
            small for the padding.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import SRMLayerV3

    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    print(SRMLayerV3()(images).shape)
    #> (2, 64, 64, 15)
    ```

    References:
        - Fridrich, J. & Kodovsky, J. (2012). Rich models for steganalysis of
          digital images. IEEE Transactions on Information Forensics and Security 7(3).
          <https://doi.org/10.1109/TIFS.2012.2190402>
        - Bayar, B. & Stamm, M. C. (2018). Constrained convolutional neural networks.
          IEEE Transactions on Information Forensics and Security 13(11).
          <https://doi.org/10.1109/TIFS.2018.2825953>
    """

    def __init__(
        self,
        threshold=3.0,
        padding="reflect",
        strides=1,
        value_range=(0, 255),
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            "v3",
            threshold=threshold,
            padding=padding,
            strides=strides,
            value_range=value_range,
            data_format=data_format,
            **kwargs,
        )

    def get_config(self):
        config = super().get_config()
        for preset in ("bank", "sum_channels", "divisors"):
            del config[preset]
        return config
