"""What an assertion reads of a tensor."""

import keras
import numpy as np
from keras import ops

EPSILON = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
}


def read_values(tensor) -> tuple[np.ndarray, float]:
    """A tensor's values in float64, and the epsilon of its own dtype."""
    if isinstance(tensor, (list, tuple)):
        tensor = np.asarray(tensor, "float64")
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return ops.convert_to_numpy(tensor).astype("float64"), EPSILON.get(dtype, 0.0)
