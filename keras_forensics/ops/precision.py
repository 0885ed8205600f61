"""What filters are computed in."""

import keras
import numpy as np


def arithmetic_dtype(dtype: str) -> str:
    """The dtype that filters and statistics are computed in, where `dtype` is wanted.

    Args:
        dtype: Name of a float dtype, such as a layer's `compute_dtype`.

    Returns:
        `"float64"` for `"float64"`, and `"float32"` for all others: 16 bits hold no sum
        of grey levels.
    """
    return "float64" if dtype == "float64" else "float32"


def widest_dtype() -> str:
    """The float dtype with the most digits: `"float64"`.

    On JAX `"float32"`, unless it was told to enable 64 bits.
    """
    number = keras.ops.convert_to_tensor(np.zeros((), "float64"))
    return keras.backend.standardize_dtype(number.dtype)
