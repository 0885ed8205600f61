"""Where the channels are, and where a backend can have them."""

import keras
from keras import ops


def runnable_data_format(data_format: str) -> str:
    """The data format in which the backend convolves, on every device.

    TensorFlow has no convolution in `"channels_first"` on processors without AVX-512
    VNNI, where its oneDNN kernels are off. Transposing costs little beside the
    convolution, and its graph optimiser removes it on GPUs.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        One of the two.
    """
    return "channels_last" if keras.backend.backend() == "tensorflow" else data_format


def change_data_format(inputs, old: str, new: str):
    """Moves the channels of a batch of images to where another format has them.

    Args:
        inputs: Tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        old: The format of the inputs.
        new: The format of the result.

    Returns:
        Tensor of 4 axes.
    """
    if old == new:
        return inputs
    to_last = new == "channels_last"
    return ops.transpose(inputs, (0, 2, 3, 1) if to_last else (0, 3, 1, 2))
