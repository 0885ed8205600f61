"""Scores a stream of crops in batches that fit in memory."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import psutil

LARGEST_BATCH = 64  # larger ones are hardly faster
BYTES_PER_PIXEL = 2000  # of input: torch, which takes most, was measured at 1,800


class Model(Protocol):
    """What scores a batch: a Keras model, or an exported file in its runtime."""

    def predict_on_batch(self, x: np.ndarray) -> Any: ...


def estimate_batch_size(image_size: int) -> int:
    """A power of two that should fit in a quarter of the memory that is free.

    Args:
        image_size: Side of the model's input in pixels.
    """
    room = psutil.virtual_memory().available / 4
    most = room / (BYTES_PER_PIXEL * image_size**2)
    return _power_of_two(int(min(LARGEST_BATCH, max(1, most))))


def score_crops(
    model: Model, crops: Iterable[np.ndarray], batch_size: int | None = None
) -> Iterator[float]:
    """Scores crops in order.

    A batch that does not fit in memory is halved, as are all that follow. At the end,
    a smaller batch is filled up to a power of two: each size is compiled once.

    Args:
        model: The detector.
        crops: Arrays of the size of its input, uint8.
        batch_size: Crops a batch to start with; estimated without it.

    Yields:
        The probability of fake of each crop.

    Raises:
        Exception: What the backend raises when not even one crop fits.
    """
    source = iter(crops)
    waiting = list(itertools.islice(source, 1))
    size = batch_size or (estimate_batch_size(len(waiting[0])) if waiting else 1)
    while True:
        waiting += itertools.islice(source, max(0, size - len(waiting)))
        if not waiting:
            return
        count = min(size, len(waiting))
        scores = _try(model, waiting[:count], filled_up_to=_fill(count, size))
        if scores is None:
            size = max(1, count // 2)
            continue
        del waiting[:count]
        yield from scores.tolist()


def _fill(count: int, size: int) -> int:
    """How many crops a batch of `count` gets: `size`, or a power of two below."""
    return min(size, 1 << (count - 1).bit_length())


def _power_of_two(count: int) -> int:
    """The largest one that is no more than `count`."""
    return 1 << (count.bit_length() - 1)


def _try(model: Model, crops: list[np.ndarray], filled_up_to: int) -> np.ndarray | None:
    """Float64 scores, or None if the batch does not fit, and could be smaller."""
    try:
        filled = crops + crops[-1:] * (filled_up_to - len(crops))
        scores = model.predict_on_batch(np.stack(filled))
    except Exception as error:
        if len(crops) == 1 or not is_out_of_memory(error):
            raise
        return None  # outside of the block, what the error holds is given back
    return np.asarray(scores, np.float64)[: len(crops), 0]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python or of any backend says that memory is short."""
    if isinstance(error, MemoryError):
        return True
    # By name and text: the backends' own classes would have to be imported.
    if type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError"):
        return True
    text = str(error).lower()
    return any(
        sign in text
        for sign in (
            "resource_exhausted",  # JAX
            "out of memory",  # CUDA, and JAX on CPU
            "can't allocate memory",  # torch on CPU
            "failed to allocate memory",  # ONNX Runtime
            "not enough memory",  # torch on CPU, Windows
        )
    )
