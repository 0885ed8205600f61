"""Networks of comparators against sorting, and what they cost."""

import keras
import numpy as np
import pytest

from keras_forensics.ops.median import _comparators, order_statistics

numpy = keras.ops.convert_to_numpy


@pytest.mark.parametrize("count", [2, 3, 8, 14, 24])
def test_order_statistics_are_those_of_sorted_values(count):
    values = np.random.default_rng(count).integers(0, 9, (count, 500)).astype("float32")
    tensors = [keras.ops.convert_to_tensor(each) for each in values]
    ranks = tuple(range(count))
    every = np.stack([numpy(each) for each in order_statistics(tensors, ranks)])
    np.testing.assert_array_equal(every, np.sort(values, 0))
    middle = count // 2
    (alone,) = order_statistics(tensors, (middle,))
    np.testing.assert_array_equal(numpy(alone), every[middle])


def test_only_what_the_median_depends_on_is_compared():
    everything, median = _comparators(8, tuple(range(8))), _comparators(8, (3,))
    assert len(everything) == 19  # Batcher's count
    operations = sum(low + high for *_, low, high in median)
    assert operations < sum(low + high for *_, low, high in everything) - 10
