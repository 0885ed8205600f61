"""Planes as blocks, and lengths that are multiples."""

import keras
import numpy as np
import pytest

from keras_forensics.ops.blocks import from_blocks, pad_to_multiple, to_blocks

numpy = keras.ops.convert_to_numpy


@pytest.mark.parametrize(("length", "padded"), [(1, 8), (7, 8), (8, 8), (9, 16)])
@pytest.mark.parametrize("axis", [1, 2])
def test_last_slice_is_repeated_up_to_a_multiple(length, padded, axis):
    shape = [2, 3, 3]
    shape[axis] = length
    x = np.random.default_rng(0).integers(0, 256, shape).astype("int32")
    width = [(0, 0)] * 3
    width[axis] = (0, padded - length)
    actual = pad_to_multiple(keras.ops.convert_to_tensor(x), axis, 8, keras.ops)
    np.testing.assert_array_equal(numpy(actual), np.pad(x, width, "edge"))


def test_block_holds_its_8x8_pixels():
    planes = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 24)).astype("int32")
    blocks = to_blocks(keras.ops.convert_to_tensor(planes), keras.ops)
    assert tuple(blocks.shape) == (8, 8, 2, 3, 2, 3)
    block = numpy(blocks)[:, :, 1, 2, 1, 0]
    np.testing.assert_array_equal(block, planes[1, 2, 8:, :8])
    np.testing.assert_array_equal(numpy(from_blocks(blocks, keras.ops)), planes)
