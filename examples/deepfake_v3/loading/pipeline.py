"""From a list of images to batches of grey levels, in parallel and in a fixed order.

The order and the crops of training are a function of the seed and of the number of the
step alone: both pipelines give the same batches, and a run that starts at step 1000
sees what it would have seen there.
"""

import dataclasses
import functools
import importlib.util
import math
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Self

import keras
import numpy as np

from examples.deepfake_v3.errors import InputError, MissingPackageError
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.images import (
    THREADS,
    UnusableImageError,
    crop_to_size,
    read_image,
)
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.loading.processing import MARGIN, process_at_random
from examples.deepfake_v3.options.choices import Pipeline

PREFETCH = 2  # batches that wait ready

# Keras says so at the end of every Grain dataset, since it does not ask its length.
warnings.filterwarnings("ignore", message="Your input ran out of data")


class PixelCache:
    """Decoded images, kept in memory as long as there is room, until `with` ends.

    To go out of scope is not enough: TensorFlow never lets go of a function that a
    dataset has been made of, nor of what that holds.

    Args:
        gigabytes: Room for pixels; 0 keeps none. Images that do not fit are decoded
            each time anew.
    """

    def __init__(self, gigabytes: float = 0.0):
        self.free = int(gigabytes * 1e9)
        self.pixels: dict[Path, np.ndarray] = {}
        self.lock = threading.Lock()

    def read(self, path: Path) -> np.ndarray:
        """`read_image`, from memory where it has been read before."""
        pixels = self.pixels.get(path)
        if pixels is not None:
            return pixels
        pixels = read_image(path)
        with self.lock:
            if path not in self.pixels and pixels.nbytes <= self.free:
                self.free -= pixels.nbytes
                self.pixels[path] = pixels
        return pixels

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        with self.lock:  # batches may still be on their way
            self.free = 0
            self.pixels = {}


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Memory for uint8 that TensorFlow takes over, where it would copy other."""
    size = math.prod(shape)
    memory = np.empty(size + 64, "uint8")
    start = -memory.ctypes.data % 64
    return memory[start : start + size].reshape(shape)


@dataclasses.dataclass(frozen=True)
class Share:
    """What one of `hosts` loads of every batch: the part of its number `host`."""

    host: int = 0
    hosts: int = 1


def draw_order(seed: int, number: int, count: int) -> np.ndarray:
    """The order of `count` images in a pass of training, by its number."""
    # A key of three: crops are drawn with a key of two.
    return np.random.default_rng((seed, number, 0)).permutation(count)


class Batches:
    """The batches of a run by their number.

    Training goes through the images without end: each pass is a permutation of its
    own, and a batch at the end of a pass is filled up from the next. Otherwise the
    images come once, in order, cropped at the centre, and the last batch is smaller.

    A part of the training images, `processed`, goes through classical processing, drawn
    anew each time and whatever the class.

    An image that can no longer be read is replaced by the next one of its class, or
    comes as black pixels of weight 0, as `lost` has it.

    With a `share`, batches are parts of batches, all of one size: the last one is
    filled up with the last image at a weight of 0. Keras divides the loss by the
    number of all, which the weight of the others makes up for.
    """

    def __init__(
        self,
        images,
        image_size,
        batch_size,
        training,
        seed,
        cache,
        lost,
        share=None,
        processed=0.0,
    ):
        self.images = images
        self.image_size = image_size
        self.batch_size = batch_size
        self.training = training
        self.seed = seed
        self.cache = cache
        self.lost = lost
        self.share = share
        self.processed = processed if training else 0.0
        # As sample weights: Keras takes no `class_weight` with Grain datasets.
        weights = images.class_weights() if training else np.ones(2)
        if share and not training:
            weights = weights * len(self) * batch_size / len(images)
        self.weights = weights[images.labels].astype("float32")
        self.labels = images.labels.astype("float32")
        self.members = [np.flatnonzero(images.labels == label) for label in (0, 1)]
        self.permutation = functools.lru_cache(4)(self._permutation)

    def __len__(self) -> int:
        if self.training:
            return sys.maxsize
        return math.ceil(len(self.images) / self.batch_size)

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels, labels and weights of one batch."""
        positions = self._positions(step)
        chosen = [self._index(position) for position in positions]
        pixels = _aligned((len(chosen), self.image_size, self.image_size, 3))
        weights = self.weights[chosen]
        rng = np.random.default_rng((self.seed, step))
        places = rng.random((self.batch_size, 2))  # to crop, from 0 to 1
        if not self.training:
            places[:] = 0.5
        for slot, (index, position) in enumerate(zip(chosen, positions, strict=True)):
            image = self._read(index)
            if image is None:
                pixels[slot], weights[slot] = 0, 0
            else:
                number = position - step * self.batch_size
                pixels[slot] = self._crop(image, places[number], step, number)
        if not self.training:
            weights[np.array(positions) >= len(self.images)] = 0
        return pixels, self.labels[chosen], weights

    def _positions(self, step: int) -> range:
        first = step * self.batch_size
        if self.share:
            size = self.batch_size // self.share.hosts
            first += self.share.host * size
            return range(first, first + size)
        stop = first + self.batch_size
        return range(first, stop if self.training else min(stop, len(self.images)))

    def _crop(self, image, place, step: int, number: int) -> np.ndarray:
        """The crop, processed before if the draws of this place in the batch say so."""
        if not self.processed:
            return crop_to_size(image, self.image_size, place)
        # A key of four: crops are drawn with a key of two.
        draws = np.random.default_rng((self.seed, step, number, 0))
        if draws.random() >= self.processed:
            return crop_to_size(image, self.image_size, place)
        # A photograph of 12 megapixels would take seconds to process.
        side = min(self.image_size + 2 * MARGIN, *image.shape[:2])
        window = crop_to_size(image, side, place)
        return crop_to_size(process_at_random(window, draws), self.image_size)

    def _read(self, index: int) -> np.ndarray | None:
        """The image or, where it is lost, what takes its place: None for nothing."""
        image = self._try(index)
        if image is not None or not self.lost.replaced:
            return image
        members = self.members[self.images.labels[index]]
        for other in np.roll(members, -np.searchsorted(members, index))[1:]:
            image = self._try(other)
            if image is not None:
                return image
        # No image of the class is left: this raises.
        self.lost.stop_if_too_many(self.images.paths[index], self.images)
        return None

    def _try(self, index: int) -> np.ndarray | None:
        path = self.images.paths[index]
        if path in self.lost.reasons:
            return None
        try:
            return self.cache.read(path)
        except UnusableImageError as error:
            self.lost.add(path, str(error), self.images)
            return None

    def _index(self, position: int) -> int:
        if not self.training:
            return min(position, len(self.images) - 1)
        number, offset = divmod(position, len(self.images))
        return int(self.permutation(number)[offset])

    def _permutation(self, number: int) -> np.ndarray:
        return draw_order(self.seed, number, len(self.images))


def make_dataset(
    images: ImageList,
    *,
    image_size: int,
    batch_size: int,
    training: bool,
    seed: int = 0,
    first_step: int = 0,
    pipeline: Pipeline = "auto",
    cache: PixelCache | None = None,
    lost: LostImages | None = None,
    share: Share | None = None,
    processed: float = 0.0,
):
    """Makes a dataset for `fit`, `evaluate` and `predict`.

    Args:
        images: The images of one split.
        image_size: Side in pixels of the square that is cropped from each.
        batch_size: Images a batch.
        training: If `True`, shuffled anew in each pass and cropped at random
            positions, without end (`fit` needs `steps_per_epoch`). Otherwise once,
            in the order of `images.paths`, cropped at the centre.
        seed: Seed of order and crops.
        first_step: Number of the first batch, where an interrupted run goes on.
        pipeline: `"tf"`, `"grain"`, or `"auto"`: `"tf"` on the TensorFlow backend.
        cache: Memory for decoded images; none by default.
        lost: What becomes of images that can no longer be read; by default, the next
            one of the same class takes the place.
        share: The part of each batch that this host loads, in batches of one size.
            Without it, whole batches, of which the last may be smaller.
        processed: Share of the training images, 0 to 1, that go through classical
            processing: resizing, filtering, sharpening, noise or JPEG.

    Returns:
        Dataset of `(pixels, labels, weights)`: uint8 `(batch, image_size, image_size,
        3)` in grey levels 0..255, and float32 `(batch,)` twice. Weights are the class
        weights in training and 1 otherwise. With a `share`, `batch` is its part of
        the batch, and the weights outside training are 0 for what fills up the last
        one and, for the others, what makes their mean 1.
    """
    load = Batches(
        images,
        image_size,
        batch_size,
        training,
        seed,
        cache or PixelCache(),
        lost or LostImages(),
        share,
        processed,
    )
    steps = (first_step, len(load))
    if choose_pipeline(pipeline) == "grain":
        return _grain_dataset(load, *steps)
    return _tf_dataset(load, *steps)


def measure_rate(dataset, seconds: float = 0.5) -> float:
    """Images a second that the dataset delivers when nothing else is done.

    Args:
        dataset: As from `make_dataset`, of at least two batches.
        seconds: How long to look, after the first batch.
    """
    batches = iter(dataset)
    next(batches)
    start, count, passed = time.perf_counter(), 0, 0.0
    while passed < seconds:
        count += len(next(batches)[0])
        passed = time.perf_counter() - start
    return count / passed


def choose_pipeline(pipeline: Pipeline = "auto") -> str:
    """Returns `"tf"` or `"grain"`; `"auto"` is `"tf"` on the TensorFlow backend."""
    if pipeline == "auto":
        return "tf" if keras.backend.backend() == "tensorflow" else "grain"
    if pipeline == "tf" and importlib.util.find_spec("tensorflow") is None:
        raise MissingPackageError(
            "`pipeline='tf'` needs TensorFlow, whatever the backend. Install it, or "
            "leave `pipeline` out. Received: pipeline='tf'"
        )
    if pipeline not in ("tf", "grain"):
        raise InputError(
            '`pipeline` must be "auto", "tf" or "grain". '
            f"Received: pipeline={pipeline!r}"
        )
    return pipeline


def _grain_dataset(load: Batches, start: int, stop: int):
    import grain

    options = grain.ReadOptions(
        num_threads=THREADS, prefetch_buffer_size=THREADS + PREFETCH
    )
    return grain.MapDataset.range(start, stop).map(load).to_iter_dataset(options)


def _tf_dataset(load: Batches, start: int, stop: int):
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        # TensorFlow only reads files here: leave the memory of the GPU to the backend.
        tf.config.set_visible_devices([], "GPU")

    def decode(step):
        pixels, labels, weights = tf.numpy_function(
            load, [step], (tf.uint8, tf.float32, tf.float32)
        )
        pixels.set_shape((None, load.image_size, load.image_size, 3))
        labels.set_shape((None,))
        weights.set_shape((None,))
        return pixels, labels, weights

    dataset = tf.data.Dataset.range(start, stop)
    return dataset.map(decode, num_parallel_calls=THREADS).prefetch(PREFETCH)
