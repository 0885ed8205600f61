"""What the speed of the stream costs: its accuracy beside the public form's.

    python -m benchmarks.stream_accuracy --data-dir DIR --weights FILE.h5

Both forms are trained on the same images, in the same order, for the same epochs and
with the same optimizer: alone, with a dense layer on the gate, and in the detector, as
a gate over features of a frozen backbone. Nothing is chosen on any split: the last
epoch counts. Finished runs are kept in the working directory.
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import tyro
from sklearn.metrics import roc_auc_score

from benchmarks.accuracy.images import group_of_each
from benchmarks.intervals import paired_auc_difference, student_interval
from benchmarks.public_form import public_stream
from benchmarks.record import write_result
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import ImageList, check_data_dir
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.model import HEAD_UNITS
from keras_forensics.layers import ForensicStreamV3, GatedFusion
from keras_forensics.schedules import WarmupCosineDecay

STREAMS = {
    "public form": public_stream,
    "ForensicStreamV3": ForensicStreamV3(),
    "ForensicStreamV3, every pixel": ForensicStreamV3(strides=1),
}
"""Streams by name: functions from images to the gate."""

FORMS = (
    ("alone", "public form"),
    ("alone", "ForensicStreamV3"),
    ("alone", "ForensicStreamV3, every pixel"),
    ("in the detector", "public form"),
    ("in the detector", "ForensicStreamV3"),
)
"""What is trained: where the stream stands, and its name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train the forms of the stream on real and fake faces, for several seeds."""

    data_dir: str
    """Images, as data_dir/{train,val,test}/{real,fake}; groups.csv beside them, where
    there is one, gives the groups."""
    weights: str
    """MobileNetV2 weights, a .h5 file."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order, dropout and of the choice of training images."""
    image_size: int = 128
    """Side of the centre crop in pixels."""
    images_per_class: int = 1500
    """Training images a class."""
    epochs: int = 4
    """Epochs of every run."""
    batch_size: int = 32
    """Images a step."""
    learning_rate: float = 1e-3
    """Peak learning rate of Adam, after one epoch of warm-up."""
    work_dir: str = "benchmarks/work/stream_accuracy"
    """Scores of finished runs."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as stream_accuracy.json."""


def read_pixels(images: ImageList, size: int) -> np.ndarray:
    """Centre crops, uint8 `(images, size, size, 3)`."""
    return np.stack([crop_to_size(read_image(path), size) for path in images.paths])


def visual_features(pixels: np.ndarray, weights: str) -> np.ndarray:
    """Pooled features of the frozen backbone, `(images, 1280)`."""
    backbone = keras.applications.MobileNetV2(
        input_shape=pixels.shape[1:], include_top=False, weights=weights, pooling="avg"
    )
    images = keras.Input(pixels.shape[1:])
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    return keras.Model(images, backbone(x)).predict(pixels, batch_size=64, verbose=0)


def build(stream, place: str, size: int, visual_size: int) -> keras.Model:
    """The model that is trained: on `[pixels, visual features]`."""
    images = keras.Input((size, size, 3))
    visual = keras.Input((visual_size,))
    if isinstance(stream, keras.layers.Layer):
        stream = stream.from_config(stream.get_config())  # weights of its own
    x = stream(images)
    if place == "in the detector":
        x = GatedFusion()([visual, x])
        for units in HEAD_UNITS:
            x = keras.layers.Dense(units, activation="relu")(x)
            x = keras.layers.BatchNormalization(momentum=0.9)(x)
            x = keras.layers.Dropout(0.3)(x)
    fake = keras.layers.Dense(1, activation="sigmoid")(x)
    return keras.Model([images, visual], fake)


def run(benchmark: Benchmark, name: str, place: str, seed: int, load) -> np.ndarray:
    """Scores of the test images, trained unless a finished run has left them."""
    slug = f"{name} {place} {seed}".replace(" ", "_").replace(",", "")
    path = Path(benchmark.work_dir) / f"{slug}.npy"
    if path.exists():
        return np.load(path)
    train, test = load(seed)
    keras.utils.set_random_seed(seed)
    model = build(
        STREAMS[name], place, benchmark.image_size, train["features"].shape[1]
    )
    steps = -(-len(train["labels"]) // benchmark.batch_size)
    model.compile(
        keras.optimizers.Adam(
            WarmupCosineDecay(
                benchmark.learning_rate, steps * benchmark.epochs, steps, 1e-6
            )
        ),
        "binary_crossentropy",
        metrics=["accuracy"],
    )
    rng = np.random.default_rng(seed)  # the same order for every form
    for epoch in range(benchmark.epochs):
        order = rng.permutation(len(train["labels"]))
        model.fit(
            [train["pixels"][order], train["features"][order]],
            train["labels"][order],
            initial_epoch=epoch,
            epochs=epoch + 1,
            batch_size=benchmark.batch_size,
            shuffle=False,
            verbose=2,
        )
    scores = model.predict([test["pixels"], test["features"]], verbose=0)[:, 0]
    with replacing(path) as partial, partial.open("wb") as file:
        np.save(file, scores)
    return scores


def make_loader(benchmark: Benchmark, lists: dict[str, ImageList]):
    """Returns a function `seed -> (train, test)` that reads every image once."""
    cache: dict[bytes, dict] = {}

    def read(images: ImageList) -> dict:
        key = images.fingerprints().tobytes()
        if key not in cache:
            pixels = read_pixels(images, benchmark.image_size)
            cache[key] = {
                "pixels": pixels,
                "features": visual_features(pixels, benchmark.weights),
                "labels": images.labels.astype("float32"),
            }
        return cache[key]

    def load(seed: int):
        train = lists["train"].limited(benchmark.images_per_class, seed)
        return read(train), read(lists["test"])

    return load


def main(benchmark: Benchmark) -> None:
    """Runs all forms; the table is written anew after each seed."""
    lists = check_data_dir(benchmark.data_dir, ("train", "test"))
    groups = group_of_each([benchmark.data_dir], lists["test"])
    labels = lists["test"].labels
    load = make_loader(benchmark, lists)
    scores: dict[tuple[str, str], list[np.ndarray]] = {form: [] for form in FORMS}
    for seed in benchmark.seeds:
        for place, name in scores:
            result = run(benchmark, name, place, seed, load)
            scores[place, name].append(result)
            print(seed, place, name, roc_auc_score(labels, result), flush=True)
        write_table(benchmark, scores, labels, groups)


def write_table(benchmark, scores, labels, groups) -> None:
    """One row a form: AUC over seeds, and the difference to the public form."""
    aucs = {
        form: [float(roc_auc_score(labels, run)) for run in runs]
        for form, runs in scores.items()
    }
    rows = []
    for (place, name), values in aucs.items():
        row = [place, name, student_interval(values)]
        if name == "public form":
            rows.append([*row, "", ""])
            continue
        differences, (low, high) = paired_auc_difference(
            scores[place, name], scores[place, "public form"], labels, groups
        )
        rows.append([*row, student_interval(differences), f"{low:.3f} to {high:.3f}"])
    write_result(
        Path(benchmark.results_dir) / "stream_accuracy.json",
        title="Accuracy of the fast stream",
        what=(
            f"Test AUC after {benchmark.epochs} epochs on "
            f"{2 * benchmark.images_per_class} training images, centre crops of "
            f"{benchmark.image_size} pixels; {len(labels)} test images; "
            f"{len(next(iter(aucs.values())))} seeds, mean ± 95 % interval over seeds. "
            "The difference to the public form is paired by seed; its last column is "
            "the 95 % bootstrap interval over test images, drawn by group."
        ),
        columns=["stream", "form", "AUC", "difference", "difference, bootstrap"],
        rows=rows,
        notes=(
            "Every form saw the same images with the same optimizer; the last epoch "
            "counts, and nothing was chosen on any split. The detector has a frozen "
            "backbone, whose features are computed once."
        ),
        aucs={" | ".join(form): values for form, values in aucs.items()},
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
