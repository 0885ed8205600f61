"""The accurate integer DCT of libjpeg ("islow") and the quantiser.

Each pass over rows or columns is an integer linear map of 8 values and one rounding.
Sums reach 2^28: float32 does not hold them, and matrix products of 32-bit integers are
slow or missing on many devices. So a pass is written as sums of products.

References:
    - Loeffler, C., Ligtenberg, A. & Moschytz, G. (1989). Practical fast 1-D DCT
      algorithms with 11 multiplications. ICASSP.
      <https://doi.org/10.1109/ICASSP.1989.266596>
    - jfdctint.c and jidctint.c of libjpeg. <https://libjpeg-turbo.org>
"""

_CONSTANT_BITS = 13
_BITS_BETWEEN = 2  # kept between the passes

# `cos((2 j + 1) k pi / 16) * sqrt(2) * 2^13` (without the root for k = 0), as far as
# libjpeg's algorithm gives it: some are 1 off. Sample j and 7 - j have the same factor
# in even frequencies k, and opposite ones in odd ones.
_EVEN = (
    (8192, 8192, 8192, 8192),
    (10703, 4433, -4433, -10703),
    (8192, -8192, -8192, 8192),
    (4433, -10704, 10704, -4433),
)
_ODD = (
    (11363, 9633, 6437, 2260),
    (9633, -2259, -11362, -6436),
    (6437, -11362, 2261, 9633),
    (2260, -6436, 9633, -11363),
)
# [k // 2][j][k % 2], so that frequencies come out in their order.
_COSINES = [
    [list(pair) for pair in zip(*rows, strict=True)]
    for rows in zip(_EVEN, _ODD, strict=True)
]


def forward_dct(blocks, ops):
    """The DCT-II of 8x8 blocks, times 8.

    Args:
        blocks: int32 tensor of shape `(8, 8, ...)`, row and column in the block first,
            -128..127.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of that shape, vertical and horizontal frequency first: 8 times the
        orthonormal DCT, rounded as libjpeg rounds.
    """
    of_rows = _forward(ops.swapaxes(blocks, 0, 1), _BITS_BETWEEN, ops)
    return _forward(ops.swapaxes(of_rows, 0, 1), -_BITS_BETWEEN, ops)


def inverse_dct(coefficients, ops):
    """The inverse of the orthonormal DCT-II of 8x8 blocks.

    Args:
        coefficients: int32 tensor of shape `(8, 8, ...)`, vertical and horizontal
            frequency first.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of that shape, row and column in the block first. Not clipped.
    """
    of_columns = _inverse(coefficients, _BITS_BETWEEN, ops)
    # The root of 8 in each pass, and no division by it yet.
    blocks = _inverse(ops.swapaxes(of_columns, 0, 1), -_BITS_BETWEEN - 3, ops)
    return ops.swapaxes(blocks, 0, 1)


def quantize(coefficients, table, ops):
    """Divides by the table and rounds, halves away from 0.

    Args:
        coefficients: int32 tensor of shape `(8, 8, ...)`, 8 times the DCT, below 2^15.
        table: float32 tensor that broadcasts to that shape, integers 1..255.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        float32 tensor of integers.
    """
    # Quotients of integers are halves or at least 1 / (8 * table) away from them. A
    # factor slightly above 1 moves halves up, however the division itself is rounded,
    # and others by less than half of that distance, 2^15 * 2^-16 / (8 * table).
    quotients = ops.cast(coefficients, "float32") * ((1 + 2**-16) / (8 * table))
    return ops.round(quotients)


def _forward(x, bits: int, ops):
    """The 8-point DCT along the first axis, times `sqrt(8) * 2**bits`, rounded."""
    first, last = x[:4], ops.flip(x[4:], 0)
    folded = ops.stack([first + last, first - last], 1)
    cosines = _over_rest_of(x, ops)
    total = cosines[:, 0] * folded[:1]
    for j in range(1, 4):
        total = total + cosines[:, j] * folded[j : j + 1]
    return ops.reshape(_scale(total, bits, ops), ops.shape(x))


def _inverse(x, bits: int, ops):
    """The 8-point inverse DCT along the first axis, times `sqrt(8) * 2**bits`."""
    cosines = _over_rest_of(x, ops)
    x = ops.reshape(x, (4, 2, *ops.shape(x)[1:]))
    total = cosines[0] * x[:1]
    for k in range(1, 4):
        total = total + cosines[k] * x[k : k + 1]
    even, odd = total[:, 0], total[:, 1]
    folded = ops.concatenate([even + odd, ops.flip(even - odd, 0)], 0)
    return _scale(folded, bits, ops)


def _over_rest_of(x, ops):
    """The cosines, with an axis of 1 for each axis of `x` but the first."""
    cosines = ops.convert_to_tensor(_COSINES, "int32")
    return ops.reshape(cosines, (4, 4, 2, *[1] * (len(x.shape) - 1)))


def _scale(total, bits: int, ops):
    """Returns `total * 2**(bits - 13)`, rounded, halves up."""
    shift = _CONSTANT_BITS - bits
    return ops.right_shift(total + 2 ** (shift - 1), shift)
