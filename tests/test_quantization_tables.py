"""The catalogue against the tables in files, and against Pillow's."""

import io

import numpy as np
import pytest
from PIL import Image, JpegPresets

from keras_forensics import quantization_tables
from test_support import pillow_jpeg


@pytest.mark.parametrize("quality", range(1, 101))
def test_standard_tables_are_those_that_pillow_writes(quality):
    file = pillow_jpeg.encode(np.zeros((8, 8, 3), "uint8"), quality)
    written = Image.open(io.BytesIO(file)).quantization
    expected = np.array([written[0], written[1]]).reshape(2, 8, 8)
    np.testing.assert_array_equal(quantization_tables.standard(quality), expected)


def test_tables_of_photoshop_are_pillows():
    assert set(quantization_tables.PHOTOSHOP) == set(JpegPresets.presets)
    for setting, tables in quantization_tables.PHOTOSHOP.items():
        expected = JpegPresets.presets[setting]["quantization"]
        np.testing.assert_array_equal(np.reshape(tables, (2, 64)), expected)


@pytest.mark.parametrize("quality", [0, 101, 75.0, "75", None])
def test_wrong_quality_is_named(quality):
    with pytest.raises(ValueError, match=f"`quality` must be an .*{quality!r}"):
        quantization_tables.standard(quality)
