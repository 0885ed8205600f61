"""Images that go on as their mirror image."""

from keras import ops


def mirror(inputs, axis: int, pixels: int, skip: int):
    """Mirrors one axis at its ends, leaving out `skip` pixels at the edge.

    Args:
        inputs: Tensor of any shape.
        axis: Axis that is mirrored, at least 0.
        pixels: Pixels that are added at each end.
        skip: 1 for `"reflect"`, which does not repeat the pixel at the edge, 0 for
            `"symmetric"`, which does.

    Returns:
        Tensor whose `axis` is longer by `2 * pixels`.

    Raises:
        ValueError: If the axis has fewer pixels than are mirrored.
    """
    if pixels == 0:
        return inputs
    size = inputs.shape[axis]
    # Unknown sizes are None, or symbols while a graph is exported.
    if isinstance(size, int) and size < pixels + skip:
        raise ValueError(
            f"`pixels={pixels}` with `skip={skip}` needs {pixels + skip} pixels on "
            f"axis {axis}. Received: inputs of shape {tuple(inputs.shape)}"
        )
    # Not by `keras.ops.pad`: on the torch backend it repeats the edge pixel in mode
    # "symmetric", and in mode "reflect" cannot pad the width alone. This is no slower.
    before, after = ([slice(None)] * len(inputs.shape) for _ in range(2))
    before[axis] = slice(skip, pixels + skip)
    after[axis] = slice(-pixels - skip, -skip or None)
    return ops.concatenate(
        [
            ops.flip(inputs[tuple(before)], axis),
            inputs,
            ops.flip(inputs[tuple(after)], axis),
        ],
        axis,
    )
