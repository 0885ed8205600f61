"""Colours against the formulas of JFIF."""

import keras
import numpy as np

from keras_forensics.ops.jpeg_color import rgb_to_ycc, ycc_to_rgb

LEVELS = np.arange(0, 256, 5)
CUBE = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS, indexing="ij"))


def converted(function):
    tensors = [keras.ops.convert_to_tensor(plane.astype("int32")) for plane in CUBE]
    planes = function(*tensors, keras.ops)
    return np.stack([keras.ops.convert_to_numpy(plane) for plane in planes])


def test_luma_and_chroma_are_those_of_jfif_rounded():
    red, green, blue = CUBE.astype("float64")
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = [luma, (blue - luma) / 1.772 + 128, (red - luma) / 1.402 + 128]
    assert abs(converted(rgb_to_ycc) - np.clip(expected, 0, 255)).max() < 0.51


def test_colours_are_those_of_jfif_rounded_and_clipped():
    luma, cb, cr = CUBE.astype("float64")
    cb, cr = cb - 128, cr - 128
    green = luma - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587
    expected = [luma + 1.402 * cr, green, luma + 1.772 * cb]
    assert abs(converted(ycc_to_rgb) - np.clip(expected, 0, 255)).max() < 0.51


def test_grey_stays_grey():
    grey = keras.ops.arange(256, dtype="int32")
    luma, cb, cr = rgb_to_ycc(grey, grey, grey, keras.ops)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(luma), np.arange(256))
    for chroma in (cb, cr):
        assert (keras.ops.convert_to_numpy(chroma) == 128).all()
