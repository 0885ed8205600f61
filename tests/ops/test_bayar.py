"""The kernel of the Bayar constraint: held by all, and equal to the oracle."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_forensics.ops import bayar_kernel
from keras_forensics.testing import assert_bayar_constraint, kernels
from tests import oracle
from tests.backend import float64

NORMALIZATIONS = ["project", "divide"]
# A few shapes, since JAX compiles for each.
SHAPES = st.sampled_from([((3, 3), 1, 2), ((5, 5), 3, 4), ((1, 5), 2, 1)])


def kernels_up_to(max_exponent):
    return SHAPES.flatmap(lambda shape: kernels(*shape, max_exponent=max_exponent))


def constrained(kernel, normalization):
    tensor = keras.ops.convert_to_tensor(kernel, kernel.dtype.name)
    return keras.ops.convert_to_numpy(bayar_kernel(tensor, normalization))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(kernel=kernels_up_to(30))
def test_every_kernel_is_constrained(normalization, kernel):
    result = constrained(kernel, normalization)
    assert result.shape == kernel.shape and result.dtype == kernel.dtype
    assert_bayar_constraint(result)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(kernel=kernels_up_to(3))
def test_kernel_equals_the_oracle(normalization, kernel):
    expected = oracle.bayar(kernel, normalization)
    actual = constrained(kernel, normalization)
    # The projection subtracts a common part; the division magnifies near a zero sum.
    scale = {"project": 1 + abs(kernel).max(), "divide": 100 * abs(expected).max()}
    np.testing.assert_allclose(actual, expected, 0, 1e-6 * scale[normalization])


@given(
    magnitude=st.floats(0, float(np.finfo("float32").max), width=32),
    seed=st.integers(0, 2**32 - 1),
)
def test_division_is_finite_for_every_float32(magnitude, seed):
    random = np.random.default_rng(seed)
    kernel = random.choice([-1.0, 0.0, 0.3, 1.0], (3, 3, 2, 2)) * magnitude
    assert_bayar_constraint(constrained(kernel.astype("float32"), "divide"))


@given(magnitude=st.floats(0, 2.0**126, width=32), seed=st.integers(0, 2**32 - 1))
def test_projection_is_finite_up_to_1e38(magnitude, seed):
    random = np.random.default_rng(seed)
    kernel = random.choice([-1.0, 0.0, 0.3, 1.0], (3, 3, 2, 2)) * magnitude
    assert_bayar_constraint(constrained(kernel.astype("float32"), "project"))


def test_projection_survives_a_large_common_part():
    kernel = 1e6 + np.random.default_rng(0).uniform(-1, 1, (5, 5, 3, 8))
    result = constrained(kernel.astype("float32"), "project").astype("float64")
    # One pass would leave a sum that is off by more than 0.1.
    np.testing.assert_allclose(result.sum((0, 1)), 0, atol=1e-5)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_constraining_twice_changes_nothing(normalization):
    kernel = np.random.default_rng(0).uniform(-0.1, 1, (5, 5, 3, 4)).astype("float32")
    once = constrained(kernel, normalization)
    np.testing.assert_allclose(constrained(once, normalization), once, atol=1e-6)


def test_projection_is_the_nearest_point():
    random = np.random.default_rng(0)
    kernel = random.uniform(-1, 1, (3, 3, 1, 1)).astype("float32")
    nearest = constrained(kernel, "project")
    kernel[1, 1] = -1
    for _ in range(20):
        other = random.uniform(-1, 1, kernel.shape).astype("float32")
        other = constrained(other, "project")
        assert np.linalg.norm(nearest - kernel) < np.linalg.norm(other - kernel)


def test_division_near_a_zero_sum_keeps_taps_below_100():
    kernel = np.zeros((3, 3, 1, 2), "float32")
    kernel[0, 0], kernel[0, 1] = 1, -1 + 1e-6
    kernel[2, 2, 0, 1] = -1e-5  # a sum on the negative side
    result = constrained(kernel, "divide")
    assert_bayar_constraint(result)
    assert 10 < abs(result).max() <= 100


def test_division_is_the_published_one_away_from_a_zero_sum():
    kernel = np.random.default_rng(0).uniform(0, 1, (5, 5, 2, 3)).astype("float32")
    expected = kernel.astype("float64")
    expected[2, 2] = 0
    expected /= expected.sum((0, 1))
    expected[2, 2] = -1
    np.testing.assert_allclose(constrained(kernel, "divide"), expected, rtol=1e-5)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_float64_kernels_keep_their_precision(normalization):
    kernel = np.random.default_rng(0).uniform(-1, 1, (5, 5, 2, 3))
    with float64():
        result = constrained(kernel, normalization)
        assert result.dtype == "float64"
    np.testing.assert_allclose(result, oracle.bayar(kernel, normalization), rtol=1e-10)


@pytest.mark.parametrize("shape", [(5, 3, 8), (3, 3, 3, 1, 2), (3, 3)])
def test_kernels_of_other_convolutions_are_refused(shape):
    with pytest.raises(ValueError, match=r"2-D convolutions.*Received: .*shape \("):
        bayar_kernel(keras.ops.ones(shape))


@pytest.mark.parametrize("kernel_size", [(1, 1), (2, 3), (3, 4)])
def test_kernels_without_centre_or_neighbours_are_refused(kernel_size):
    with pytest.raises(ValueError, match=r"`kernel_size` must be odd .*kernel_size="):
        bayar_kernel(keras.ops.ones((*kernel_size, 1, 1)))


def test_unknown_normalization_is_refused():
    message = r"`normalization` must be one of .*Received: normalization='sum'"
    with pytest.raises(ValueError, match=message):
        bayar_kernel(keras.ops.ones((3, 3, 1, 1)), "sum")
