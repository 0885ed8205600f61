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

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tyro
from PIL import Image
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from benchmarks.record import write_result
from examples.deepfake_v3.attribution import Streams, leave_out
from examples.deepfake_v3.data import check_data_dir
from examples.deepfake_v3.images import crop_to_size, read_image
from examples.deepfake_v3.intervals import bootstrap
from examples.deepfake_v3.model import load_detector

RESULTS = Path(__file__).parent / "results"
BLOCKS = 8  # a side
STEPS = 8  # of deletion
BATCH = 32
GRADIENT_STEPS = 32  # of integrated gradients
STREAMS = ("visual", "forensic")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Compare attribution maps on test images."""

    name: str
    """Name of the model and its data, for the table and for the result file."""
    model_path: str
    """The trained model, a .keras file."""
    data_dir: str
    """Directory with test/{real,fake}."""
    images_per_class: int = 30
    """Images of each class, drawn at random."""
    results_dir: str = str(RESULTS)
    """Where attribution_NAME.json is written."""


class OneStream:
    """A detector of which one stream sees other images, and the other one image."""

    def __init__(self, streams: Streams, name: str, image: np.ndarray):
        self.streams, self.name = streams, name
        images = tf.constant(image[None], "float32")
        self.visual = streams.visual_maps(images)
        self.forensic = streams.forensic_maps(images)
        self.gate = streams.gate(self.forensic)
        self.maps = self.visual if name == "visual" else self.forensic

    def of_maps(self, maps):
        """Logits, `(batch,)`, of other maps of this stream."""
        if self.name == "visual":
            return self.streams.logits(maps, _repeat(self.gate, maps))
        gates = self.streams.gate(maps)
        return self.streams.logits(_repeat(self.visual, maps), gates)

    def of_images(self, images):
        """Logits, `(batch,)`, if this stream saw `images`."""
        streams = self.streams
        see = streams.visual_maps if self.name == "visual" else streams.forensic_maps
        return self.of_maps(see(tf.cast(images, "float32")))

    def in_batches(self, images: np.ndarray) -> np.ndarray:
        """`of_images` of many."""
        return np.concatenate(
            [
                self.of_images(images[i : i + BATCH])
                for i in range(0, len(images), BATCH)
            ]
        )


def _repeat(values, like):
    return tf.repeat(values, len(like), axis=0)


def left_out(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """Each place of the pooled maps left out of their mean."""
    return leave_out(seen.maps.numpy()[0], seen.of_maps)


def alone(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """The logit of each third of the sides of the pooled maps, taken as the whole."""
    maps = seen.maps.numpy()[0]
    size = max(1, round(maps.shape[0] / 3))
    means = ndimage.uniform_filter(maps, (size, size, 0), mode="nearest")
    flat = means.reshape(-1, 1, 1, maps.shape[-1])
    whole = tf.constant(np.broadcast_to(flat, (len(flat), *maps.shape)))
    logits = [seen.of_maps(whole[i : i + BATCH]) for i in range(0, len(flat), BATCH)]
    return np.concatenate(logits).reshape(maps.shape[:2])


def grad_cam(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """Grad-CAM of the pooled maps, with its sign."""
    with tf.GradientTape() as tape:
        tape.watch(seen.maps)
        logit = seen.of_maps(seen.maps)
    weights = tf.reduce_mean(tape.gradient(logit, seen.maps), (1, 2), keepdims=True)
    return tf.reduce_sum(weights * seen.maps, -1)[0].numpy()


def integrated_gradients(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """Integrated gradients from a blurred image."""
    start = FILLS["blurred"](image, None)
    total = np.zeros(image.shape)
    shares = (np.arange(GRADIENT_STEPS) + 0.5) / GRADIENT_STEPS
    for part in np.array_split(shares, GRADIENT_STEPS // 8):
        images = tf.constant(
            start + part[:, None, None, None] * (image - start), tf.float32
        )
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = seen.of_images(images)
        total += tf.reduce_sum(tape.gradient(logits, images), 0).numpy()
    return (total / GRADIENT_STEPS * (image - start)).sum(-1)


def occlusion(fill: str) -> Callable[[OneStream, np.ndarray], np.ndarray]:
    """Windows of a quarter of the sides replaced, at every eighth."""

    def attribute(seen: OneStream, image: np.ndarray) -> np.ndarray:
        side = len(image) // BLOCKS
        filled = FILLS[fill](image, None)
        images, places = [], []
        for row in range(-1, BLOCKS):
            for column in range(-1, BLOCKS):
                place = tuple(
                    slice(max(0, i * side), (i + 2) * side) for i in (row, column)
                )
                images.append(image.copy())
                images[-1][place] = filled[place]
                places.append(place)
        drops = seen.of_images(image[None]).numpy() - seen.in_batches(np.stack(images))
        total, count = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
        for place, drop in zip(places, drops, strict=True):
            total[place] += drop
            count[place] += 1
        return total / count

    return attribute


def at_random(seen: OneStream, image: np.ndarray) -> np.ndarray:
    """A control."""
    return np.random.default_rng(int(image.sum())).random((BLOCKS, BLOCKS))


FILLS: dict[str, Callable[[np.ndarray, np.ndarray | None], np.ndarray]] = {
    "blurred": lambda image, _: ndimage.gaussian_filter(
        image, (len(image) / 16, len(image) / 16, 0)
    ),
    "its mean colour": lambda image, _: np.broadcast_to(
        image.mean((0, 1)), image.shape
    ),
    "another image": lambda image, other: other,
}

METHODS: dict[str, Callable[[OneStream, np.ndarray], np.ndarray]] = {
    "left out of the mean": left_out,
    "alone in the mean": alone,
    "Grad-CAM": grad_cam,
    "integrated gradients": integrated_gradients,
    "occlusion, blurred": occlusion("blurred"),
    "occlusion, mean colour": occlusion("its mean colour"),
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
    streams = Streams(load_detector(config.model_path))
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
    for stream in STREAMS:
        for image, other in tqdm(list(zip(images, others, strict=True)), stream):
            seen = OneStream(streams, stream, image)
            for method, attribute in METHODS.items():
                attribution = attribute(seen, image)
                for name, fill in FILLS.items():
                    filled = fill(image, images[other])
                    values[stream, method][name].append(
                        deletion(seen, image, attribution, filled)
                    )
        for image, chosen in tqdm(halves, f"{stream}, composites"):
            seen = OneStream(streams, stream, image)
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
        rows=[
            [stream, method, *map(_with_interval, found.values())]
            for (stream, method), found in values.items()
        ],
    )


def _with_interval(values: list[float]) -> str:
    each = np.asarray(values)
    interval = bootstrap(
        lambda weights: {"mean": weights @ each / weights.sum(axis=1)},
        np.arange(len(each)),
    )["mean"]
    low, high = interval or (np.nan, np.nan)
    return f"{each.mean():.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
