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
    coefficients = encode(images, subsampling, ops)
    return decode(
        [requantize(c, tables[k], ops) for k, c in enumerate(coefficients)],
        ops.shape(images)[2:],
        subsampling,
        ops,
    )


def encode(images, subsampling: str, ops) -> list:
    """The DCT coefficients of images, not yet quantised.

    Args:
        images: As in `jpeg_round_trip`.
        subsampling: The same.
        ops: The same.

    Returns:
        A tensor for luma, and one for chroma if there are 3 channels: int32, of shape
        `(8, 8, components, batch, block rows, block columns)`, 8 times the DCT.
    """
    if images.shape[0] == 1:
        luma, chroma = images, None
    else:
        luma, *chroma = jpeg_color.rgb_to_ycc(*(images[k] for k in range(3)), ops)
        luma = luma[None]
    luma = pad_to_multiple(pad_to_multiple(luma, 2, 8, ops), 3, 8, ops)
    planes = [luma]
    if chroma is not None:
        factors = jpeg_sampling.FACTORS[subsampling]
        planes.append(jpeg_sampling.downsample(ops.stack(chroma), factors, ops))
    return [jpeg_dct.forward_dct(to_blocks(p, ops) - 128, ops) for p in planes]


def requantize(coefficients, table, ops):
    """Quantises coefficients and multiplies them out again.

    Args:
        coefficients: Tensor that `encode` returns.
        table: float32 tensor of shape `(8, 8)` or `(batch, 8, 8)`.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of that shape: multiples of the table.
    """
    if len(table.shape) == 3:
        table = ops.transpose(table, (1, 2, 0))
    table = ops.reshape(table, (8, 8, 1, -1, 1, 1))
    return ops.cast(jpeg_dct.quantize(coefficients, table, ops) * table, "int32")


def decode(coefficients: list, size, subsampling: str, ops):
    """The images of coefficients.

    Args:
        coefficients: Tensors that `requantize` returns: of luma, or luma and chroma.
        size: `(height, width)` of the images.
        subsampling: That of the coefficients.
        ops: `keras.ops`, or the operations of another backend.

    Returns:
        int32 tensor of shape `(channels, batch, height, width)`, 0..255.
    """
    height, width = size
    planes = [
        from_blocks(ops.clip(jpeg_dct.inverse_dct(c, ops) + 128, 0, 255), ops)
        for c in coefficients
    ]
    luma = planes[0][:, :, :height, :width]
    if len(planes) == 1:
        return luma
    vertical, horizontal = factors = jpeg_sampling.FACTORS[subsampling]
    # The filter must not see what was put beyond the image.
    chroma = planes[1][:, :, : -(-height // vertical), : -(-width // horizontal)]
    chroma = jpeg_sampling.upsample(chroma, factors, ops)[:, :, :height, :width]
    return ops.stack(jpeg_color.ycc_to_rgb(luma[0], chroma[0], chroma[1], ops))
