"""One run: a network trained with one first layer, and its calls of the test sets."""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from benchmarks.manipulation.edits import SETS
from benchmarks.manipulation.network import build_network
from benchmarks.manipulation.patches import Patches, cut_patches, edit_photographs
from benchmarks.record import refuse_other_settings
from examples.deepfake_v3.files.files import replacing
from keras_forensics.schedules import WarmupCosineDecay


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """What every run may spend, whatever its first layer."""

    patches: int = 4
    """Training patches of each photograph in each class, drawn anew each epoch."""
    test_patches: int = 4
    """The same for val and for the test sets, drawn once."""
    epochs: int = 5
    """Epochs of every run."""
    batch_size: int = 32
    """Patches a step."""
    learning_rate: float = 1e-3
    """Peak learning rate of Adam, after half an epoch of warm-up. On val, 0.003 was
    better behind the constrained layer and worse behind the free one."""


@dataclasses.dataclass(frozen=True)
class Data:
    """Photographs to draw training patches from, and the patches of the other sets."""

    train: list[list[np.ndarray]]
    """Edited photographs."""
    val: Patches
    """Patches that choose the epoch."""
    tests: dict[str, Patches]
    """Patches of each test set, by its name."""


def read_data(lists: dict[str, list[Path]], edits: str, budget: Budget) -> Data:
    """Edits all photographs, the same for every run.

    Args:
        lists: As `list_photographs` returns them.
        edits: One of `SETS`.
        budget: Says how many patches to cut.
    """
    edited, patches = {}, {}
    for seed, (name, paths) in enumerate(lists.items()):
        edited[name] = edit_photographs(paths, SETS[edits], seed)
        if name != "train":
            rng = np.random.default_rng((seed, len(paths)))
            patches[name] = cut_patches(edited.pop(name), budget.test_patches, rng)
    return Data(edited["train"], patches.pop("val"), patches)


def run(path: Path, settings: dict, budget: Budget, read: Callable[[], Data]) -> dict:
    """The result of one run, read from its file if it is finished.

    Args:
        path: JSON file of the run.
        settings: `first_layer`, `seed` and whatever else the result depends on, as
            JSON would give it back.
        budget: What the run may spend.
        read: Gives the data, and is called only if they are needed.

    Returns:
        The settings, the loss and the accuracy on val of each epoch, the best epoch
        and, for each test set, what each patch was called: indices in `CLASSES`, by
        photograph, true class and patch.

    Raises:
        ValueError: If the file is of a run with other settings.
    """
    if path.exists():
        finished = json.loads(path.read_text())
        refuse_other_settings(path, finished["settings"], settings, "work_dir")
        return finished
    start = time.monotonic()
    result = train(settings["first_layer"], settings["seed"], budget, read())
    result = {
        "settings": settings,
        "backend": keras.backend.backend(),
        "seconds": round(time.monotonic() - start),
        **result,
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(result) + "\n")
    return result


def train(first_layer: str, seed: int, budget: Budget, data: Data) -> dict:
    """Trains one network, and has its best epoch call the patches of the test sets.

    Two runs with the same seed draw the same patches in the same order.
    """
    keras.utils.set_random_seed(seed)
    model = build_network(first_layer)
    rng = np.random.default_rng(seed)
    photographs, classes = len(data.train), len(data.train[0])
    steps = -(-photographs * classes * budget.patches // budget.batch_size)
    model.compile(
        keras.optimizers.Adam(
            WarmupCosineDecay(
                budget.learning_rate, steps * budget.epochs, max(1, steps // 2), 0.0
            )
        ),
        "sparse_categorical_crossentropy",
    )
    losses, accuracies, best_weights = [], [], None
    for epoch in range(budget.epochs):
        patches = cut_patches(data.train, budget.patches, rng)
        order = rng.permutation(len(patches.labels))
        history = model.fit(
            patches.pixels[order],
            patches.labels[order],
            initial_epoch=epoch,
            epochs=epoch + 1,
            batch_size=budget.batch_size,
            shuffle=False,
            verbose=0,
        )
        losses.append(history.history["loss"][0])
        accuracy = float(np.mean(call(model, data.val, budget) == data.val.labels))
        if accuracy > max(accuracies, default=-1.0):
            best_weights = model.get_weights()
        accuracies.append(accuracy)
        print(
            f"epoch {epoch + 1}: loss {losses[-1]:.3f}, val {accuracy:.3f}", flush=True
        )
    model.set_weights(best_weights)
    return {
        "losses": losses,
        "val_accuracies": accuracies,
        "best_epoch": int(np.argmax(accuracies)) + 1,
        "called": {
            name: call(model, patches, budget)
            .reshape(-1, classes, budget.test_patches)
            .tolist()
            for name, patches in data.tests.items()
        },
    }


def call(model: keras.Model, patches: Patches, budget: Budget) -> np.ndarray:
    """The most probable class of each patch."""
    probabilities = model.predict(
        patches.pixels, batch_size=budget.batch_size, verbose=0
    )
    return np.argmax(probabilities, axis=1)
