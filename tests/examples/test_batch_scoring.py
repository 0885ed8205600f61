import numpy as np
import pytest

from examples.deepfake_v3.prediction import batch_scoring
from examples.deepfake_v3.prediction.batch_scoring import (
    estimate_batch_size,
    is_out_of_memory,
    score_crops,
)


class SmallMemory:
    """A model whose score is the first pixel / 255, and into which few crops fit."""

    input_shape = (None, 2, 2, 3)

    def __init__(self, most, error=None):
        self.most = most
        self.error = error or MemoryError()
        self.sizes = []

    def predict_on_batch(self, images):
        self.sizes.append(len(images))
        if len(images) > self.most:
            raise self.error
        return images[:, 0, 0, :1] / np.float32(255)


def crops(count):
    return [np.full((2, 2, 3), index, "uint8") for index in range(count)]


@pytest.mark.parametrize("most", [1, 3, 4, 100])
@pytest.mark.parametrize("count", [0, 1, 9, 16])
def test_every_crop_gets_its_score_whatever_fits(most, count):
    scores = list(score_crops(SmallMemory(most), iter(crops(count)), batch_size=8))
    assert scores == pytest.approx([index / 255 for index in range(count)])


def test_batches_that_do_not_fit_are_halved_for_good():
    model = SmallMemory(3)
    list(score_crops(model, crops(10), batch_size=8))
    assert model.sizes == [8, 4, 2, 2, 2, 2, 2]


def test_last_batch_is_filled_up_to_a_power_of_two():
    model = SmallMemory(100)
    list(score_crops(model, crops(13), batch_size=8))
    assert model.sizes == [8, 8]
    list(score_crops(model, crops(3), batch_size=8))
    assert model.sizes[2:] == [4]


def test_one_crop_that_does_not_fit_is_an_error():
    with pytest.raises(MemoryError):
        list(score_crops(SmallMemory(0), crops(4), batch_size=2))


def test_other_errors_are_not_tried_again():
    model = SmallMemory(1, ValueError("of another kind"))
    with pytest.raises(ValueError, match="of another kind"):
        list(score_crops(model, crops(4), batch_size=4))
    assert model.sizes == [4]


def backend_errors():
    """The errors of each backend that is here, as it makes them."""
    yield MemoryError("Unable to allocate 1 GiB")
    try:
        import tensorflow as tf
    except ImportError:
        pass
    else:
        yield tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
    try:
        import jax
    except ImportError:
        pass
    else:
        yield jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
    try:
        import torch
    except ImportError:
        pass
    else:
        yield torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        try:
            torch.empty(2**62, dtype=torch.uint8)
        except RuntimeError as error:
            yield error


def test_errors_of_every_backend_are_known():
    for error in backend_errors():
        assert is_out_of_memory(error), repr(error)
    assert not is_out_of_memory(ValueError("Input 0 is incompatible"))


def test_estimate_follows_the_memory_and_the_image_size(monkeypatch):
    def with_gigabytes(free, size=224):
        class Memory:
            available = free * 1e9

        monkeypatch.setattr(batch_scoring.psutil, "virtual_memory", Memory)
        return estimate_batch_size(size)

    assert with_gigabytes(64) == 64
    assert with_gigabytes(4) == 8
    assert with_gigabytes(4, size=448) == 2
    assert with_gigabytes(0.001) == 1
