"""Multiplying by the reciprocal of a denominator divides exactly."""

import numpy as np
import pytest

from keras_forensics import filters
from keras_forensics.ops import exact_denominators


def _read_bank(name):
    bank = filters.get(name)
    return np.array([f.taps for f in bank]), np.array([f.divisor for f in bank])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_multiplying_by_the_reciprocal_of_the_denominator_divides_exactly(dtype):
    divisors = {odd << power for odd in range(1, 15) for power in range(5)}
    for divisor in divisors:
        # As many taps as the docstring allows.
        (denominator,) = exact_denominators(
            np.full((1, 1, 1), 5000), np.array([divisor]), 1, dtype
        )
        factor, remainder = divmod(int(denominator), divisor)
        assert remainder == 0 and factor * 5000 * 255 < 2 ** (np.finfo(dtype).nmant + 1)
        residuals = np.arange(2**16)
        np.testing.assert_array_equal(
            (residuals * factor).astype(dtype) * np.dtype(dtype).type(1 / denominator),
            (residuals / divisor).astype(dtype),
        )


def test_named_banks_have_one_denominator_for_all_filters():
    for bank, denominator in (("v3", 72), ("srm30", 36), ("rgbn", 36)):
        taps, divisors = _read_bank(bank)
        assert set(exact_denominators(taps, divisors, 3, "float32")) == {denominator}


@pytest.mark.parametrize(("tap", "divisor"), [(0.5, 3), (1, 2.5)])
def test_divisors_stay_where_taps_or_divisors_are_no_integers(tap, divisor):
    taps, divisors = np.array([[[-tap, tap, 0]]]), np.array([divisor])
    assert exact_denominators(taps, divisors).tolist() == [divisor]


def test_sums_that_need_every_bit_leave_no_room_for_a_denominator():
    taps = np.array([[[-(2**15), 2**15, 0]]])
    assert exact_denominators(taps, np.array([3])).tolist() == [3]
    assert exact_denominators(taps, np.array([3]), dtype="float64").tolist() != [3]
