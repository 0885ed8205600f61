"""Mirrored borders."""

from keras import ops


def mirror(inputs, axis: int, pixels: int, skip: int):
    """Mirrors one axis at its ends, leaving out `skip` pixels at the edge.

    Written out because on the torch backend `keras.ops.pad` repeats the edge pixel in
    mode "symmetric", and in mode "reflect" cannot pad the width alone. It is also no
    slower on any backend.
    """
    if pixels == 0:
        return inputs
    before, after = [slice(None)] * 4, [slice(None)] * 4
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
