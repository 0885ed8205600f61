"""How close every backend comes to the float64 oracle: one table for all tests."""

import keras
import numpy as np

# --8<-- [start:table]
# Largest difference, relative to the largest output of the oracle.
TOLERANCES = {
    "float64": 1e-12,
    "float32": 1e-5,
    "mixed_float16": 2e-3,
    "mixed_bfloat16": 2e-2,
}
# --8<-- [end:table]


def assert_close(actual, expected, policy="float32", roundings=1):
    """Compares with an oracle or, with 2 roundings, with what is rounded as well."""
    actual = keras.ops.convert_to_numpy(actual).astype("float64")
    assert actual.shape == expected.shape
    largest = roundings * TOLERANCES[policy] * abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=largest)
