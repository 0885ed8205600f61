"""One axis continued by its mirror image."""

import keras
import numpy as np
import pytest

from keras_forensics.ops import mirror


@pytest.mark.parametrize("shape", [(7,), (2, 5), (2, 5, 6, 3)])
@pytest.mark.parametrize(("mode", "skip"), [("reflect", 1), ("symmetric", 0)])
@pytest.mark.parametrize("pixels", [0, 1, 2, 4])
def test_axis_is_mirrored_like_numpy_does(shape, mode, skip, pixels):
    axis = min(1, len(shape) - 1)
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    width = [(0, 0)] * len(shape)
    width[axis] = (pixels, pixels)
    actual = mirror(keras.ops.convert_to_tensor(inputs), axis, pixels, skip)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(actual), np.pad(inputs, width, mode=mode)
    )


@pytest.mark.parametrize(("pixels", "skip"), [(5, 0), (4, 1)])
def test_axis_too_short_to_be_mirrored_is_refused(pixels, skip):
    with pytest.raises(ValueError, match=r"needs 5 pixels on axis 1.*\(2, 4\)"):
        mirror(keras.ops.ones((2, 4)), 1, pixels, skip)
