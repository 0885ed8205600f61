"""What an image is after JPEG compression: encoder and decoder, without the file.

Entropy coding loses nothing and is left out. All else is done in the integers of
libjpeg-turbo with its default settings (accurate DCT, triangle filter for chroma), so
that the pixels are those of a file.
"""

import keras

from keras_forensics.ops import jpeg_color, jpeg_dct, jpeg_sampling
from keras_forensics.ops.blocks import from_blocks, pad_to_multiple, to_blocks


def compress_and_decompress(
    channels, tables, subsampling: str = "4:2:0", ops=keras.ops
):
    """Compresses images and opens them again.

    Args:
        channels: Tuple of int32 tensors of shape `(batch, height, width)`, 0..255: grey,
            or red, green and blue.
        tables: `(luma, chroma)`, float32 tensors of shape `(8, 8)`, or
            `(batch, 8, 8)` for a table for each image, of integers 1..255.
        subsampling: `"4:4:4"`, `"4:2:2"` or `"4:2:0"`.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        Tuple of as many int32 tensors of the same shape, 0..255.
    """
    luma_table, chroma_table = tables
    if len(channels) == 1:
        return (code_luma(channels[0], luma_table, ops),)
    luma, *chroma = jpeg_color.rgb_to_ycc(*channels, ops)
    return jpeg_color.ycc_to_rgb(
        code_luma(luma, luma_table, ops),
        *code_chroma(chroma, chroma_table, subsampling, ops),
        ops,
    )


def code_luma(luma, table, ops=keras.ops):
    """Codes planes of full size, shape `(batch, height, width)`."""
    _, height, width = ops.shape(luma)
    padded = pad_to_multiple(pad_to_multiple(luma, 2, 8, ops), 1, 8, ops)
    return _code(padded, table, ops)[:, :height, :width]


def code_chroma(chroma, table, subsampling: str, ops=keras.ops):
    """Codes both chroma planes, shape `(batch, height, width)`, at their smaller size."""
    factors = jpeg_sampling.FACTORS[subsampling]
    count, height, width = ops.shape(chroma[0])
    smaller = [
        -(-side // factor) for side, factor in zip((height, width), factors, strict=True)
    ]
    both = ops.concatenate(chroma, 0)
    if len(table.shape) == 3:
        table = ops.concatenate([table, table], 0)
    coded = _code(jpeg_sampling.downsample(both, factors, ops), table, ops)
    # The decoder's filter does not see what was put beyond the image.
    coded = coded[:, : smaller[0], : smaller[1]]
    coded = jpeg_sampling.upsample(coded, factors, ops)[:, :height, :width]
    return coded[:count], coded[count:]


def _code(planes, table, ops):
    """Codes planes whose sides are multiples of 8."""
    coefficients = jpeg_dct.forward_dct(to_blocks(planes, ops) - 128, ops)
    if len(table.shape) == 3:
        table = ops.transpose(table, (1, 2, 0))
    # Images, block rows and block columns come last.
    table = ops.reshape(table, (8, 8, -1, 1, 1))
    quantized = jpeg_dct.quantize(coefficients, table, ops)
    blocks = jpeg_dct.inverse_dct(ops.cast(quantized * table, "int32"), ops)
    return from_blocks(ops.clip(blocks + 128, 0, 255), ops)
