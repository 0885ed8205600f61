"""Banks of filters as kernels of one convolution."""

import numpy as np


def bank_kernel(
    taps: np.ndarray, channels: int, sum_channels: bool = False
) -> np.ndarray:
    """Arranges a bank as the kernel of one convolution over `channels` inputs.

    Args:
        taps: Array of shape `(filters, height, width)`.
        channels: Number of channels of the images.
        sum_channels: Whether each filter's residuals are summed over the channels.

    Returns:
        Array of shape `(height, width, channels // groups, maps)`, of the dtype of
        `taps`, whose maps are channel-major (all filters of the first channel, then of
        the second), or one a filter with `sum_channels`. Up to 4 channels make one
        dense convolution, half of whose taps or more are zero: measured faster than a
        depthwise one on every backend. More channels are grouped.
    """
    kernels = np.moveaxis(taps, 0, -1)[:, :, None, :]
    if sum_channels:
        return np.repeat(kernels, channels, axis=2)
    if channels > 4:
        return np.tile(kernels, channels)
    return np.kron(np.eye(channels, dtype=taps.dtype), kernels)
