"""What images are after JPEG compression: encoder and decoder, without the file.

Entropy coding loses nothing and is left out. All else is done in the integers of
libjpeg-turbo with its default settings (accurate DCT, triangle filter for chroma), so
that the pixels are those of a file.
"""

import keras

from keras_forensics.ops import jpeg_color, jpeg_dct, jpeg_sampling
from keras_forensics.ops.blocks import from_blocks, pad_to_multiple, to_blocks


def jpeg_round_trip(images, tables, subsampling: str = "4:2:0", ops=None):
    """Compresses images as JPEG and opens them again, as libjpeg-turbo does.

    Args:
        images: int32 tensor of shape `(channels, batch, height, width)`, 0..255, with 1
            channel (grey) or 3 (red, green and blue).
        tables: float32 tensor of shape `(2, 8, 8)`, the tables of luma and chroma, or
            `(2, batch, 8, 8)`, those of each image: integers 1..255.
        subsampling: `"4:4:4"`, `"4:2:2"` or `"4:2:0"`.
        ops: The operations of another backend. Defaults to `keras.ops`.

    Returns:
        int32 tensor of the images' shape, 0..255.
    """
    ops = ops or keras.ops
    _, _, *size = ops.shape(images)
    luma, chroma = to_luma_and_chroma(images, ops)
    luma = requantize(luma_coefficients(luma, ops), tables[0], ops)
    luma = luma_pixels(luma, size, ops)
    if chroma is None:
        return luma
    chroma = requantize(chroma_coefficients(chroma, subsampling, ops), tables[1], ops)
    chroma = chroma_pixels(chroma, size, subsampling, ops)
    return to_rgb(luma, chroma, ops)


def to_luma_and_chroma(images, ops):
    """Planes `(1, batch, height, width)`, and `(2, ...)`, or `None` if grey."""
    if images.shape[0] == 1:
        return images, None
    luma, *chroma = jpeg_color.rgb_to_ycc(images[0], images[1], images[2], ops)
    return ops.expand_dims(luma, 0), ops.stack(chroma)


def to_rgb(luma, chroma, ops):
    """The inverse of `to_luma_and_chroma`, for three channels."""
    return ops.stack(jpeg_color.ycc_to_rgb(luma[0], chroma[0], chroma[1], ops))


def luma_coefficients(luma, ops):
    """The DCT of luma, not yet quantised.

    Args:
        luma: int32 tensor of shape `(1, batch, height, width)`, 0..255.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of shape `(8, 8, 1, batch, block rows, block columns)`, vertical
        and horizontal frequency first, 8 times the DCT.
    """
    padded = pad_to_multiple(pad_to_multiple(luma, 2, 8, ops), 3, 8, ops)
    return jpeg_dct.forward_dct(to_blocks(padded, ops) - 128, ops)


def chroma_coefficients(chroma, subsampling: str, ops):
    """The DCT of chroma, shape `(2, batch, height, width)`, at its smaller size."""
    factors = jpeg_sampling.FACTORS[subsampling]
    smaller = jpeg_sampling.downsample(chroma, factors, ops)
    return jpeg_dct.forward_dct(to_blocks(smaller, ops) - 128, ops)


def requantize(coefficients, table, ops):
    """Quantises coefficients and multiplies them out again.

    Args:
        coefficients: int32 tensor of shape `(8, 8, components, batch, ...)`, 8 times
            the DCT.
        table: float32 tensor of shape `(8, 8)` or `(batch, 8, 8)`.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of that shape: multiples of the table.
    """
    if len(table.shape) == 3:
        table = ops.transpose(table, (1, 2, 0))
    table = ops.reshape(table, (8, 8, 1, -1, 1, 1))
    return ops.cast(jpeg_dct.quantize(coefficients, table, ops) * table, "int32")


def luma_pixels(coefficients, size, ops):
    """From what `requantize` returns to planes of `size`, height and width."""
    return _planes(coefficients, ops)[:, :, : size[0], : size[1]]


def chroma_pixels(coefficients, size, subsampling: str, ops):
    """The same for chroma, enlarged to `size`."""
    height, width = size
    vertical, horizontal = factors = jpeg_sampling.FACTORS[subsampling]
    chroma = _planes(coefficients, ops)
    # The filter must not see what was put beyond the image.
    chroma = chroma[:, :, : -(-height // vertical), : -(-width // horizontal)]
    return jpeg_sampling.upsample(chroma, factors, ops)[:, :, :height, :width]


def _planes(coefficients, ops):
    blocks = jpeg_dct.inverse_dct(coefficients, ops) + 128
    return from_blocks(ops.clip(blocks, 0, 255), ops)
