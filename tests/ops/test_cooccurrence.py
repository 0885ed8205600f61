"""Quantisation, codes, counts and symmetries equal plain numpy."""

import itertools

import keras
import numpy as np
import pytest

from keras_forensics.ops.cooccurrence import (
    code_spacing,
    count_codes,
    merge_bins,
    quantize,
    soft_counts,
    symmetric_bins,
    tuple_codes,
)

numpy = keras.ops.convert_to_numpy


def count_tuples(levels, direction, order, base):
    """Counts of one array of levels, by a loop over its tuples."""
    counts = np.zeros((base,) * order, int)
    for start in np.ndindex(levels.shape):
        index = [
            tuple(
                place + number * direction.get(axis, 0)
                for axis, place in enumerate(start)
            )
            for number in range(order)
        ]
        if all(0 <= p < n for i in index for p, n in zip(i, levels.shape, strict=True)):
            counts[tuple(levels[i] for i in index)] += 1
    return counts.ravel()


@pytest.mark.parametrize("step", [1, 1.5, 2, 4.5, 12])
def test_rounding_is_half_away_from_zero_and_exact_for_whole_residuals(step):
    residuals = np.arange(-60, 61)
    # In integers: how many odd multiples of half a step fit into the magnitude.
    magnitude = (2 * abs(residuals) + step) // (2 * step)
    expected = np.sign(residuals) * np.minimum(magnitude, 2) + 2
    levels = quantize(keras.ops.convert_to_tensor(residuals, "float32"), step, 2)
    assert keras.backend.standardize_dtype(levels.dtype) == "uint8"
    np.testing.assert_array_equal(numpy(levels), expected)


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize(
    "direction", [{1: 1}, {2: 1}, {1: 1, 2: 1}, {1: -1, 2: 1}, {2: -1}]
)
def test_tuples_of_each_map_are_counted(order, direction):
    base = 3
    levels = np.random.default_rng(order).integers(0, base, (2, 7, 8), "uint8")
    codes = tuple_codes(
        keras.ops.convert_to_tensor(levels),
        direction,
        order,
        base,
        keras.ops.convert_to_tensor(np.arange(2, dtype="int32").reshape(2, 1, 1)),
    )
    counts = numpy(count_codes(codes, 2, order, base))
    along = {axis - 1: step for axis, step in direction.items()}
    expected = [count_tuples(each, along, order, base) for each in levels]
    np.testing.assert_array_equal(counts, expected)


def test_codes_without_histograms_are_those_of_the_first():
    levels = np.random.default_rng(0).integers(0, 5, (9, 4), "uint8")
    for order in (1, 3, 4):
        codes = tuple_codes(keras.ops.convert_to_tensor(levels), {0: 1}, order, 5)
        counts = numpy(count_codes(codes, 1, order, 5))[0]
        np.testing.assert_array_equal(counts, count_tuples(levels, {0: 1}, order, 5))


def test_counts_beyond_the_integers_of_float32_are_exact():
    many = 2**24 + 3
    codes = keras.ops.zeros((many,), "int32")
    assert numpy(count_codes(codes, 1, 1, 3)).tolist() == [[many, 0, 0]]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("base", [3, 5])
def test_codes_of_two_histograms_do_not_overlap(order, base):
    assert code_spacing(order, base) >= base**order


@pytest.mark.parametrize(
    ("symmetry", "size"),
    # The papers' numbers of bins: 169 for residuals of filters, 325 for extremes.
    [("none", 625), ("sign", 313), ("direction", 325), ("sign_and_direction", 169)],
)
def test_symmetric_tuples_share_a_bin_and_no_others_do(symmetry, size):
    bins = symmetric_bins(4, 5, symmetry)
    assert len(bins) == size
    of_tuple = {}
    for number, members in enumerate(bins):
        for member in members[members < 625]:
            of_tuple[np.unravel_index(member, (5,) * 4)] = number
    assert len(of_tuple) == 625
    for each in itertools.product(range(5), repeat=4):
        negative, backwards = tuple(4 - k for k in each), each[::-1]
        assert (of_tuple[each] == of_tuple[negative]) == (
            "sign" in symmetry
            or each == negative
            or (symmetry == "direction" and negative == backwards)
        )
        assert (of_tuple[each] == of_tuple[backwards]) == (
            "direction" in symmetry
            or each == backwards
            or (symmetry == "sign" and negative == backwards)
        )


def test_merged_counts_are_sums():
    counts = np.random.default_rng(0).integers(0, 9, (2, 27)).astype("int32")
    bins = symmetric_bins(3, 3, "sign_and_direction")
    merged = numpy(merge_bins(keras.ops.convert_to_tensor(counts), bins))
    expected = [[row[each[each < 27]].sum() for each in bins] for row in counts]
    np.testing.assert_array_equal(merged, expected)
    assert bins[0].tolist().count(27) == 3 and 13 in bins[0]  # that of zeros is first


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_soft_counts_of_multiples_of_the_step_are_the_exact_ones(order):
    residuals = np.random.default_rng(0).integers(-4, 5, (2, 6, 7)) * 1.5
    tensor = keras.ops.convert_to_tensor(residuals, "float32")
    direction = {1: -1, 2: 1}
    soft = numpy(soft_counts(tensor, 1.5, 2, direction, order))
    levels = (residuals / 1.5).clip(-2, 2).astype(int) + 2
    expected = [count_tuples(each, {0: -1, 1: 1}, order, 5) for each in levels]
    np.testing.assert_allclose(soft, expected, atol=1e-4)


def test_soft_counts_share_a_residual_between_its_two_nearest_levels():
    tensor = keras.ops.convert_to_tensor([[[0.25], [-1.5], [9.0]]], "float32")
    soft = numpy(soft_counts(tensor, 1.0, 2, {1: 1}, 1))
    # 0.25 is 3/4 of 0 and 1/4 of 1; -1.5 is half of -2 and of -1; 9 is truncated.
    np.testing.assert_allclose(soft, [[0.5, 0.5, 0.75, 0.25, 1]], atol=1e-6)
