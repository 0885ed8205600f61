"""Values become grey levels without rounding."""

import keras
import pytest

from keras_forensics.ops import to_grey_levels


def test_grey_levels_are_cast_and_not_rounded():
    pixels = keras.ops.convert_to_tensor([0.0, 0.5, 1.0], "float16")
    grey = to_grey_levels(pixels, (0, 1), "float32")
    assert keras.ops.convert_to_numpy(grey).tolist() == [0.0, 127.5, 255.0]


def test_values_outside_the_range_go_on_outside():
    grey = to_grey_levels([-2.0, 2.0], (-1, 1))
    assert keras.ops.convert_to_numpy(grey).tolist() == [-127.5, 382.5]


def test_descending_range_is_refused():
    with pytest.raises(ValueError, match=r"`value_range` must be .*\(1, 0\)"):
        to_grey_levels([0.0], (1, 0))
