"""16 bits are widened, 64 are kept."""

import pytest

from keras_forensics.ops import arithmetic_dtype


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_filters_are_computed_in_32_bits_or_more(dtype, expected):
    assert arithmetic_dtype(dtype) == expected
