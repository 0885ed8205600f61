"""The accurate integer DCT of libjpeg ("islow") and the quantiser.

Each pass over rows or columns is an integer linear map (12 multiplications and 32
additions for 8 values) and one rounding. Constants are scaled by 2^13, and 2 more bits
are kept between the passes. Sums reach 2^26.9: float32 does not hold them.

References:
    - Loeffler, C., Ligtenberg, A. & Moschytz, G. (1989). Practical fast 1-D DCT
      algorithms with 11 multiplications. ICASSP.
      <https://doi.org/10.1109/ICASSP.1989.266596>
    - jfdctint.c and jidctint.c of libjpeg. <https://libjpeg-turbo.org>
"""

import keras

_CONSTANT_BITS = 13
_BITS_BETWEEN = 2


def forward_dct(blocks, ops=keras.ops):
    """The DCT-II of 8x8 blocks, times 8.

    Args:
        blocks: int32 tensor of shape `(8, 8, ...)`, row and column in the block first,
            -128..127.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of that shape, vertical and horizontal frequency first: 8 times the
        orthonormal DCT, rounded as libjpeg rounds.
    """
    of_rows = _forward([blocks[:, k] for k in range(8)], _BITS_BETWEEN, ops)
    blocks = ops.stack(of_rows, 1)
    return ops.stack(_forward([blocks[k] for k in range(8)], -_BITS_BETWEEN, ops), 0)


def inverse_dct(coefficients, ops=keras.ops):
    """The inverse of the orthonormal DCT-II of 8x8 blocks.

    Args:
        coefficients: int32 tensor of shape `(8, 8, ...)`, vertical and horizontal
            frequency first.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of that shape, row and column in the block first. It is not clipped.
    """
    of_columns = _inverse([coefficients[k] for k in range(8)], _BITS_BETWEEN, ops)
    blocks = ops.stack(of_columns, 0)
    # Both passes together are 8 times too large.
    of_rows = _inverse([blocks[:, k] for k in range(8)], -_BITS_BETWEEN - 3, ops)
    return ops.stack(of_rows, 1)


def quantize(coefficients, table, ops=keras.ops):
    """Divides by the table and rounds, halves away from 0.

    Args:
        coefficients: int32 tensor of shape `(8, 8, ...)`, 8 times the DCT, below 2^15.
        table: float32 tensor that broadcasts to that shape, integers 1..255.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        float32 tensor of integers.
    """
    # Quotients of integers are halves or at least 1 / (8 * 255) away from them. A factor
    # slightly above 1 moves the halves up, wherever the division itself is rounded, and
    # nothing else over a half: 2^15 * 2^-16 / (8 * q) is half of that distance.
    quotients = ops.cast(coefficients, "float32") * ((1 + 2**-16) / (8 * table))
    return ops.round(quotients)


def _forward(x, bits: int, ops):
    """The 8-point DCT times `sqrt(8) * 2**bits`, of a list of tensors."""
    sums = [x[k] + x[7 - k] for k in range(4)]
    a0, a1, a2, a3 = [x[k] - x[7 - k] for k in range(4)]
    outer, inner = sums[0] + sums[3], sums[1] + sums[2]
    b0, b1 = sums[0] - sums[3], sums[1] - sums[2]

    def scale(value):
        return _shift(value, bits - _CONSTANT_BITS, ops)

    shared = 4433 * (b0 + b1)
    common = 9633 * (a0 + a1 + a2 + a3)
    z1, z2 = -7373 * (a0 + a3), -20995 * (a1 + a2)
    z3, z4 = common - 16069 * (a1 + a3), common - 3196 * (a0 + a2)
    return [
        _shift(outer + inner, bits, ops),
        scale(12299 * a0 + z1 + z4),
        scale(shared + 6270 * b0),
        scale(25172 * a1 + z2 + z3),
        _shift(outer - inner, bits, ops),
        scale(16819 * a2 + z2 + z4),
        scale(shared - 15137 * b1),
        scale(2446 * a3 + z1 + z3),
    ]


def _inverse(x, bits: int, ops):
    """The 8-point inverse DCT times `sqrt(8) * 2**bits`, of a list of tensors."""
    shared = 4433 * (x[2] + x[6])
    b0, b1 = shared + 6270 * x[2], shared - 15137 * x[6]
    outer, inner = (x[0] + x[4]) * 2**_CONSTANT_BITS, (x[0] - x[4]) * 2**_CONSTANT_BITS
    even = [outer + b0, inner + b1, inner - b1, outer - b0]

    common = 9633 * (x[1] + x[3] + x[5] + x[7])
    z1, z2 = -7373 * (x[1] + x[7]), -20995 * (x[3] + x[5])
    z3, z4 = common - 16069 * (x[3] + x[7]), common - 3196 * (x[1] + x[5])
    odd = [
        12299 * x[1] + z1 + z4,
        25172 * x[3] + z2 + z3,
        16819 * x[5] + z2 + z4,
        2446 * x[7] + z1 + z3,
    ]
    values = [a + b for a, b in zip(even, odd, strict=True)]
    values += [a - b for a, b in zip(reversed(even), reversed(odd), strict=True)]
    return [_shift(value, bits - _CONSTANT_BITS, ops) for value in values]


def _shift(x, bits: int, ops):
    """Returns `x * 2**bits`, rounded, halves up."""
    if bits >= 0:
        return x * 2**bits
    return ops.right_shift(x + 2 ** (-bits - 1), -bits)
