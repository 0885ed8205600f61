"""Patches of images, ranked by their texture."""

from keras import ops


def texture_diversity(patches):
    """The sum of absolute differences of neighbouring pixels in four directions.

    Args:
        patches: float tensor of shape `(..., height, width, channels)`.

    Returns:
        Tensor of shape `(...)`: horizontal, vertical and both diagonal differences, of
        all channels.
    """
    before, rest = slice(None, -1), slice(1, None)
    pairs = [
        ((slice(None), before), (slice(None), rest)),
        ((before, slice(None)), (rest, slice(None))),
        ((before, before), (rest, rest)),
        ((before, rest), (rest, before)),
    ]
    return sum(
        ops.sum(
            ops.abs(
                patches[(..., *one, slice(None))] - patches[(..., *other, slice(None))]
            ),
            (-3, -2, -1),
        )
        for one, other in pairs
    )


def texture_mosaics(images, patch_size: int, mosaic_side: int):
    """Puts the patches with the most texture together, and those with the least.

    Args:
        images: float tensor of shape `(batch, height, width, channels)`.
        patch_size: Height and width of the patches, which start at the first pixel and
            do not overlap. Incomplete ones are left out.
        mosaic_side: Rows and columns of patches in a mosaic.

    Returns:
        Two tensors of shape `(batch, side, side, channels)`, where `side` is
        `patch_size * mosaic_side`. The rich one begins with the most texture, the poor
        one with the least, and goes on row by row. Of patches with equal texture, the
        upper or left one comes first.
    """
    batch, height, width, channels = ops.shape(images)
    rows, columns = height // patch_size, width // patch_size
    images = images[:, : rows * patch_size, : columns * patch_size]
    patches = ops.reshape(
        images, (batch, rows, patch_size, columns, patch_size, channels)
    )
    patches = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
    count = rows * columns
    patches = ops.reshape(patches, (batch, count, patch_size, patch_size, channels))
    diversity = ops.stop_gradient(texture_diversity(patches))
    flat = ops.reshape(patches, (-1, patch_size * patch_size * channels))
    first = ops.expand_dims(ops.arange(batch, dtype="int32") * count, 1)
    mosaics = []
    for key in (-diversity, diversity):
        # Sorting is stable on every backend, which `top_k` is not.
        order = ops.argsort(key)[:, : mosaic_side**2]
        chosen = ops.take(flat, ops.reshape(order + first, (-1,)), 0)
        mosaic = ops.reshape(
            chosen,
            (batch, mosaic_side, mosaic_side, patch_size, patch_size, channels),
        )
        mosaic = ops.transpose(mosaic, (0, 1, 3, 2, 4, 5))
        side = mosaic_side * patch_size
        mosaics.append(ops.reshape(mosaic, (batch, side, side, channels)))
    return mosaics
