"""Which attribution maps are faithful to a detector? On TensorFlow.

    python -m benchmarks.attribution --name cifake --model-path FILE --data-dir DIR

Two questions to each map of each stream, that need no opinion of what it should show:

- Deletion. Blocks are replaced, those that raise the score most first, and then once
  more in the opposite order; the area between the two curves of the logit is 0 for a
  random order. Deleting in the opposite order is insertion seen from its end. What a
  block is replaced by is itself evidence, so there are three answers.
- Composites. Half of a fake image on a real one: how well the map tells the two halves
  apart, as an AUC over blocks.
"""

import abc
import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tyro
from PIL import Image
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from benchmarks.intervals import bootstrap_mean
from benchmarks.record import write_result
from examples.deepfake_v3.explanation.attribution import BLOCKS, Streams, blur, occlude
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.mirror import without_mirror
from examples.deepfake_v3.model import LEVELS
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.training.precision import with_policy

RESULTS = Path(__file__).parent / "results"
STEPS = 4  # of deletion
BATCH = 32
GRADIENT_STEPS = 16  # of integrated gradients


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Compare attribution maps on test images."""

    name: str
    """Name of the model and its data, for the table and for the result file."""
    model_path: str
    """The trained model, a .keras file."""
    data_dir: str
    """Directory with test/{real,fake}."""
    notes: str = ""
    """What to know of the model, for the table."""
    images_per_class: int = 30
    """Images of each class, drawn at random."""
    results_dir: str = str(RESULTS)
    """Where attribution_NAME.json is written."""


class OneStream(abc.ABC):
    """A detector of which one stream sees other images, and the other one image."""

    def __init__(self, streams: Streams, detector: keras.Model, image: np.ndarray):
        self.streams, self.detector = streams, detector
        images = tf.constant(image[None], "float32")
        self.features, self.gate = streams.visual(images), streams.forensic(images)

    def logits(self, images):
        """Logits, `(batch,)`, if this stream saw `images`."""
        return self.of_maps(self.maps(images))

    def in_batches(self, images: np.ndarray) -> np.ndarray:
        """`logits` of many, as an array."""
        starts = range(0, len(images), BATCH)
        return np.concatenate(
            [self.logits(tf.constant(images[i : i + BATCH], "float32")) for i in starts]
        )

    @abc.abstractmethod
    def maps(self, images):
        """The deepest maps that it pools: `(batch, height, width, channels)`."""

    @abc.abstractmethod
    def of_maps(self, maps):
        """Logits, `(batch,)`, of such maps."""


class VisualStream(OneStream):
    """The visual stream, of images with one gate."""

    def __init__(self, streams: Streams, detector: keras.Model, image: np.ndarray):
        super().__init__(streams, detector, image)
        self.pooling = detector.get_layer(f"statistics_{LEVELS[-1]}")
        self.model = keras.Model(detector.input, self.pooling.input)

    def logits(self, images):
        return self.streams.logits(self.streams.visual(images), self.gate)

    def maps(self, images):
        return self.model(images, training=False)

    def of_maps(self, maps):
        pooled = self.pooling(maps)  # the deepest, which come last
        shallow = self.features[:, : -pooled.shape[-1]]
        shallow = tf.repeat(shallow, tf.shape(pooled)[0], axis=0)
        return self.streams.logits(tf.concat([shallow, pooled], -1), self.gate)


class ForensicStream(OneStream):
    """The forensic stream, of images with one set of visual features."""

    def maps(self, images):
        return self._through(self.streams.stream.residuals(images), before=True)

    def of_maps(self, maps):
        gates = self.streams.stream.gate(self._through(maps, before=False))
        return self.streams.logits(self.features, gates)

    def _through(self, x, before: bool):
        layers = self.streams.stream.feature_layers
        pool = [layer.name for layer in layers].index("pool")
        for layer in layers[:pool] if before else layers[pool:]:
            # Normalisation learns in training; the others are the same.
            norm = isinstance(layer, keras.layers.BatchNormalization)
            x = layer(x, training=False) if norm else layer(x)
        return x


STREAMS = {"visual": VisualStream, "forensic": ForensicStream}


def occluded(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """What `explain` shows."""
    return occlude(seen.in_batches, image)


def occluded_by_colour(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """The same with the mean colour of the image in place of the blurred one."""
    return occlude(seen.in_batches, image, FILLS["its mean colour"](image, None))


def grad_cam(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """Grad-CAM of the pooled maps, with its sign."""
    maps = seen.maps(tf.constant(image[None], "float32"))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        logit = seen.of_maps(maps)
    weights = tf.reduce_mean(tape.gradient(logit, maps), (1, 2), keepdims=True)
    return tf.reduce_sum(weights * maps, -1)[0].numpy()


def integrated_gradients(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """Integrated gradients from a blurred image."""
    start = FILLS["blurred"](image, None)
    total = np.zeros(image.shape)
    shares = (np.arange(GRADIENT_STEPS) + 0.5) / GRADIENT_STEPS
    for part in np.array_split(shares, GRADIENT_STEPS // 8):
        between = start + part[:, None, None, None] * (image - start)
        images = tf.constant(between, "float32")
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = seen.logits(images)
        total += tf.reduce_sum(tape.gradient(logits, images), 0).numpy()
    return (total / GRADIENT_STEPS * (image - start)).sum(-1)


def at_random(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """A control."""
    return np.random.default_rng(int(image.sum())).random((BLOCKS, BLOCKS))


FILLS: dict[str, Callable[[np.ndarray, np.ndarray | None], np.ndarray]] = {
    "blurred": lambda image, _: blur(image),
    "its mean colour": lambda image, _: np.broadcast_to(
        image.mean((0, 1)), image.shape
    ),
    "another image": lambda image, other: other,
}

METHODS: dict[str, Callable[[OneStream, np.ndarray], np.ndarray]] = {
    "occlusion, blurred": occluded,
    "occlusion, mean colour": occluded_by_colour,
    "Grad-CAM": grad_cam,
    "integrated gradients": integrated_gradients,
    "random": at_random,
}


def blocks(attribution: np.ndarray) -> np.ndarray:
    """A map as `(BLOCKS, BLOCKS)`."""
    coarse = len(attribution) < BLOCKS
    resample = Image.Resampling.BILINEAR if coarse else Image.Resampling.BOX
    image = Image.fromarray(attribution.astype("float32"))
    return np.asarray(image.resize((BLOCKS, BLOCKS), resample))


def pixels(chosen: np.ndarray, side: int) -> np.ndarray:
    """Blocks as a mask of pixels, `(side, side, 1)`."""
    index = np.arange(side) * BLOCKS // side
    return chosen[index][:, index][..., None]


def deletion(
    seen: OneStream, image: np.ndarray, attribution: np.ndarray, filled: np.ndarray
) -> float:
    """The area between the curves of the two orders, in logits."""
    order = np.argsort(-blocks(attribution).ravel(), kind="stable")
    images = []
    for ranked in (order, order[::-1]):
        for step in range(1, STEPS):
            chosen = np.zeros(BLOCKS**2, bool)
            chosen[ranked[: step * BLOCKS**2 // STEPS]] = True
            mask = pixels(chosen.reshape(BLOCKS, BLOCKS), len(image))
            images.append(np.where(mask, filled, image))
    most_first, least_first = seen.in_batches(np.stack(images)).reshape(2, -1)
    return float((least_first - most_first).mean())


def composites(
    real: np.ndarray, fake: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A composite, and which of its blocks are from the fake image."""
    chosen = np.zeros((BLOCKS, BLOCKS), bool)
    chosen[:, : BLOCKS // 2] = True
    chosen = np.rot90(chosen, rng.integers(4))
    return np.where(pixels(chosen, len(real)), fake, real), chosen


def main(config: Benchmark) -> None:
    """Measures, and writes the table."""
    detector = without_mirror(load_detector(config.model_path))
    detector = with_policy(detector, "float32")
    streams = Streams(detector)
    test = check_data_dir(config.data_dir, ("test",))["test"]
    test = test.limited(config.images_per_class, seed=0)
    images = [
        crop_to_size(read_image(path), streams.image_size).astype("float32")
        for path in test.paths
    ]
    rng = np.random.default_rng(0)
    others = rng.permutation(len(images))
    pairs = zip(
        *(
            [images[i] for i in np.flatnonzero(test.labels == label)]
            for label in (0, 1)
        ),
        strict=False,
    )
    halves = [composites(real, fake, rng) for real, fake in pairs]
    values: dict[tuple[str, str], dict[str, list[float]]] = {
        (stream, method): {name: [] for name in (*FILLS, "composites")}
        for stream in STREAMS
        for method in METHODS
    }
    for stream, see in STREAMS.items():
        for image, other in tqdm(list(zip(images, others, strict=True)), stream):
            seen = see(streams, detector, image)
            for method, attribute in METHODS.items():
                attribution = attribute(seen, image)
                for name, fill in FILLS.items():
                    filled = fill(image, images[other])
                    values[stream, method][name].append(
                        deletion(seen, image, attribution, filled)
                    )
        for image, chosen in tqdm(halves, f"{stream}, composites"):
            seen = see(streams, detector, image)
            for method, attribute in METHODS.items():
                auc = roc_auc_score(
                    chosen.ravel(), blocks(attribute(seen, image)).ravel()
                )
                values[stream, method]["composites"].append(float(auc))
    write_result(
        Path(config.results_dir) / f"attribution_{config.name}.json",
        title=f"Attribution maps: {config.name}",
        what=(
            f"How faithful maps are to a detector, on {len(images)} test images and "
            f"{len(halves)} composites of half a fake and half a real one. Deletion: "
            "the area between the curves of the logit when the blocks that raise it "
            "most, and those that raise it least, are replaced first; 0 for a random "
            "order. Composites: the AUC of telling the halves apart, .5 for a random "
            "map. Means with 95 % intervals over images."
        ),
        columns=[
            "stream",
            "map",
            *(f"deletion: {name}" for name in FILLS),
            "composites",
        ],
        notes=config.notes,
        rows=[
            [stream, method, *map(_with_interval, found.values())]
            for (stream, method), found in values.items()
        ],
    )


def _with_interval(values: list[float]) -> str:
    low, high = bootstrap_mean(np.asarray(values))
    return f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
