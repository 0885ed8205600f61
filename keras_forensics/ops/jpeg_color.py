"""Colours of JPEG files (JFIF): RGB to YCbCr and back, in integers.

As libjpeg's jccolor.c and jdcolor.c: constants are scaled by 2^16, and each result is
rounded by one shift.
"""

_HALF = 1 << 15
_CENTRE = 128 << 16  # chroma is stored around 128


def rgb_to_ycc(red, green, blue, ops):
    """Returns luma and both chroma planes.

    Args:
        red: int32 tensor of any shape, 0..255.
        green: The same.
        blue: The same.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        `(luma, blue chroma, red chroma)`, int32 tensors of that shape, 0..255.
    """
    luma = 19595 * red + 38470 * green + 7471 * blue + _HALF
    # Half less one, so that 255.5 does not become 256.
    centre = _CENTRE + _HALF - 1
    blue_chroma = -11059 * red - 21709 * green + 32768 * blue + centre
    red_chroma = 32768 * red - 27439 * green - 5329 * blue + centre
    return tuple(ops.right_shift(x, 16) for x in (luma, blue_chroma, red_chroma))


def ycc_to_rgb(luma, blue_chroma, red_chroma, ops):
    """Returns the planes of red, green and blue: the way back of `rgb_to_ycc`."""
    cb, cr = blue_chroma - 128, red_chroma - 128
    red = luma + ops.right_shift(91881 * cr + _HALF, 16)
    green = luma + ops.right_shift(-22554 * cb - 46802 * cr + _HALF, 16)
    blue = luma + ops.right_shift(116130 * cb + _HALF, 16)
    return tuple(ops.clip(x, 0, 255) for x in (red, green, blue))
