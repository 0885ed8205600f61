"""BayarConstraint, with the limits it documents."""

import keras
import numpy as np
import pytest

from keras_forensics import BayarConstraint
from keras_forensics.testing import assert_bayar_constraint
from tests.backend import random_images

NORMALIZATIONS = ["project", "divide"]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("layer_class", ["Conv2D", "DepthwiseConv2D"])
def test_constraint_holds_after_a_step(layer_class, policy, normalization):
    constraint = BayarConstraint(normalization)
    if layer_class == "Conv2D":
        layer = keras.layers.Conv2D(4, 5, kernel_constraint=constraint, dtype=policy)
    else:
        layer = keras.layers.DepthwiseConv2D(
            5, depthwise_constraint=constraint, dtype=policy
        )
    model = keras.Sequential([keras.Input((12, 12, 3)), layer])
    with pytest.raises(AssertionError, match="Centre taps must be -1"):
        assert_bayar_constraint(layer)  # as documented: not before the first step
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
    model.fit(random_images((2, 12, 12, 3)) / 255, np.zeros((2, 1, 1, 1)), verbose=0)
    assert_bayar_constraint(layer)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_constraint_keeps_the_dtype_and_holds_to_its_rounding(dtype):
    kernel = keras.random.uniform((5, 5, 3, 4), dtype=dtype)
    result = BayarConstraint()(kernel)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    assert_bayar_constraint(result)


def test_constraint_survives_its_config():
    constraint = keras.constraints.deserialize(
        keras.constraints.serialize(BayarConstraint("divide"))
    )
    assert isinstance(constraint, BayarConstraint)
    assert constraint.normalization == "divide"


@pytest.mark.parametrize("shape", [(5, 3, 8), (3, 3, 3, 1, 2), (3, 3)])
def test_kernels_of_other_convolutions_are_refused(shape):
    with pytest.raises(ValueError, match=r"2-D convolutions.*Received: .*shape \("):
        BayarConstraint()(keras.ops.ones(shape))


@pytest.mark.parametrize("kernel_size", [(1, 1), (2, 3), (3, 4)])
def test_kernels_without_centre_or_neighbours_are_refused(kernel_size):
    with pytest.raises(ValueError, match=r"`kernel_size` must be odd .*kernel_size="):
        BayarConstraint()(keras.ops.ones((*kernel_size, 1, 1)))


def test_unknown_normalization_is_refused():
    message = r"`normalization` must be one of .*Received: normalization='sum'"
    with pytest.raises(ValueError, match=message):
        BayarConstraint("sum")
