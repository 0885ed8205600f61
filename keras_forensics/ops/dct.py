"""The orthonormal DCT of 8x8 blocks, as one matrix product."""

import numpy as np
from keras import ops

from keras_forensics import arguments

ZIGZAG: tuple[int, ...] = tuple(
    sorted(
        range(64),
        # By diagonals, which are read down and up in turn.
        key=lambda k: (
            k // 8 + k % 8,
            k // 8 if (k // 8 + k % 8) % 2 else k % 8,
        ),
    )
)
"""Places in a row-major block in zigzag order, from low to high frequencies."""


def dct_matrix() -> np.ndarray:
    """The orthonormal 8-point DCT-II, float64 of shape `(8, 8)`: frequency, sample."""
    frequency, sample = np.ogrid[:8, :8]
    matrix = np.cos((2 * sample + 1) * frequency * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return matrix


def block_dct(maps, offset=(0, 0), order="zigzag", data_format="channels_last"):
    """The DCT-II of each 8x8 block of a grid.

    Args:
        maps: float tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` for `"channels_first"`.
        offset: Row and column, 0..7, of the first pixel of the first block. Incomplete
            blocks at the borders are left out.
        order: Of the 64 frequencies: `"zigzag"`, or `"square"` for row-major.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Tensor of shape `(batch, block rows, block columns, channels * 64)`, or with
        these maps first for `"channels_first"`: all frequencies of the first channel,
        then of the second.
    """
    first = data_format == "channels_first"
    if first:
        maps = ops.transpose(maps, (0, 2, 3, 1))
    batch, height, width, channels = ops.shape(maps)
    rows, columns = (height - offset[0]) // 8, (width - offset[1]) // 8
    maps = maps[
        :, offset[0] : offset[0] + 8 * rows, offset[1] : offset[1] + 8 * columns
    ]
    blocks = ops.reshape(maps, (batch, rows, 8, columns, 8, channels))
    blocks = ops.transpose(blocks, (0, 1, 3, 5, 2, 4))
    # `@`, since `keras.ops.matmul` rounds float64 to float32 on JAX and torch.
    coefficients = ops.reshape(blocks, (-1, 64)) @ _basis(order, maps.dtype)
    coefficients = ops.reshape(coefficients, (batch, rows, columns, 64 * channels))
    return ops.transpose(coefficients, (0, 3, 1, 2)) if first else coefficients


def inverse_block_dct(coefficients, order="zigzag", data_format="channels_last"):
    """The inverse of `block_dct`, without offset.

    Args:
        coefficients: float tensor of the shape that `block_dct` returns.
        order: As in `block_dct`.
        data_format: The same.

    Returns:
        Tensor of shape `(batch, 8 * block rows, 8 * block columns, channels)`, or
        with channels first.
    """
    first = data_format == "channels_first"
    if first:
        coefficients = ops.transpose(coefficients, (0, 2, 3, 1))
    batch, rows, columns, maps = ops.shape(coefficients)
    basis = ops.transpose(_basis(order, coefficients.dtype))
    blocks = ops.reshape(coefficients, (-1, 64)) @ basis
    blocks = ops.reshape(blocks, (batch, rows, columns, maps // 64, 8, 8))
    blocks = ops.transpose(blocks, (0, 1, 4, 2, 5, 3))
    maps = ops.reshape(blocks, (batch, 8 * rows, 8 * columns, maps // 64))
    return ops.transpose(maps, (0, 3, 1, 2)) if first else maps


def _basis(order: str, dtype):
    """Matrix from the pixels of a block to its frequencies, shape `(64, 64)`."""
    matrix = dct_matrix()
    basis = np.kron(matrix, matrix).T
    if arguments.check_frequency_order(order) == "zigzag":
        basis = basis[:, list(ZIGZAG)]
    return ops.convert_to_tensor(basis, dtype)
