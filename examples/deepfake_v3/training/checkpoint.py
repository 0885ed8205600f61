"""What an interrupted stage goes on with: one file, which is always whole."""

import csv
import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.evaluation.metrics import epoch_score
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.model_files.saving import save_model
from examples.deepfake_v3.training.progress import refuse_nan

STATE = "state.npz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """A stage between two epochs.

    Attributes:
        settings: Everything that decides the result, as JSON has it.
        images: Fingerprints of each split's images.
        logs: Loss and metrics of every finished epoch.
        trainer: Every variable of the training model and its optimizer: weights,
            moving statistics, states of random generators, moments, step number.
        best: Every variable of the detector after its best epoch.
    """

    settings: dict[str, Any]
    images: dict[str, np.ndarray]
    logs: list[dict[str, float]] = dataclasses.field(default_factory=list)
    trainer: list[np.ndarray] = dataclasses.field(default_factory=list)
    best: list[np.ndarray] = dataclasses.field(default_factory=list)

    def write(self, path: Path) -> None:
        arrays = {f"images/{split}": hashes for split, hashes in self.images.items()}
        for group, values in (("trainer", self.trainer), ("best", self.best)):
            arrays |= {f"{group}/{i}": value for i, value in enumerate(values)}
        facts = json.dumps({"settings": self.settings, "logs": self.logs})
        with replacing(path) as partial:
            np.savez(partial, allow_pickle=False, facts=np.array(facts), **arrays)

    @classmethod
    def read(cls, path: Path) -> "State | None":
        """The state in `path`, or `None` where there is no file.

        Raises:
            ValueError: If the file is damaged.
        """
        if not path.exists():
            return None
        groups: dict[str, dict[str, np.ndarray]] = {}
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                facts = json.loads(str(arrays["facts"]))
                for name in arrays.files:  # in the order of writing
                    group, _, key = name.partition("/")
                    groups.setdefault(group, {})[key] = arrays[name]
            return cls(
                settings=facts["settings"],
                logs=facts["logs"],
                images=groups["images"],
                trainer=list(groups["trainer"].values()),
                best=list(groups["best"].values()),
            )
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
            raise InputError(
                f"The state of an unfinished run in {path} is damaged: {error}. Delete "
                "it to start that stage anew."
            ) from error


class Checkpoint(keras.callbacks.Callback):
    """Saves a stage after every epoch, goes on from there, and ends it when it is time.

    All that a stage depends on is in `state.npz` in its log directory. `history.csv`
    and the best model are copies from it, written after it and again on resuming: a
    kill between them leaves nothing that disagrees. The file stays until
    `forget_stages`, so that a finished stage is not run again before its run is over.

    Args:
        detector: The model whose best epoch is kept.
        log_dir: Directory of the stage.
        best_path: Where the model of the best epoch is saved.
        settings: Everything that decides the result, as JSON would hold it.
        images: The images of each split.
        seed: Seed of what draws from a generator that is no variable.
        epochs: Epochs at the most.
        patience: Epochs without a better val AUC after which the stage ends.
        force: Go on with other settings and images than the stage was started with.

    Raises:
        ValueError: If the stage was started with other settings or images and `force`
            is `False`, if its weights are not those of this model, or if its file is
            damaged.
    """

    def __init__(
        self,
        detector: keras.Model,
        log_dir: Path,
        best_path: Path,
        *,
        settings: Mapping[str, Any],
        images: Mapping[str, ImageList],
        seed: int,
        epochs: int,
        patience: int,
        force: bool = False,
    ):
        super().__init__()
        self.detector = detector
        self.log_dir = log_dir
        self.best_path = best_path
        self.images = images
        self.seed = seed
        self.epochs = epochs
        self.patience = patience
        self.state = State(
            settings=json.loads(json.dumps(settings, default=str)),
            images={split: listed.fingerprints() for split, listed in images.items()},
        )
        before = State.read(log_dir / STATE)
        if before is not None:
            self._refuse_changes(before, force)
            self.state = dataclasses.replace(
                self.state, logs=before.logs, trainer=before.trainer, best=before.best
            )
            self.restore_best()
            self._publish(new_best=True)

    @property
    def logs(self) -> list[dict[str, float]]:
        """Loss and metrics of every finished epoch."""
        return self.state.logs

    @property
    def finished(self) -> bool:
        """Whether the stage is over: by its epochs, or by its patience."""
        aucs = [logs["val_auc"] for logs in self.logs]
        if not aucs:
            return False
        since_best = len(aucs) - 1 - aucs.index(max(aucs))
        return len(aucs) >= self.epochs or since_best >= self.patience

    def restore_best(self) -> None:
        """Gives the detector the state that it had after its best epoch."""
        self._assign(self.detector.variables, self.state.best)

    def on_train_begin(self, logs=None):
        if self.logs:
            self._assign(self._trainer_variables(), self.state.trainer)

    def on_train_batch_begin(self, batch, logs=None):
        # On torch, dropout without a seed of its own draws from torch's generator, as
        # does each new iterator, which is why the beginning of the epoch is too soon.
        if batch == 0:
            seed = np.random.SeedSequence((self.seed, len(self.logs))).generate_state(1)
            keras.utils.set_random_seed(int(seed[0]))

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in logs.items()}
        when = f"in epoch {epoch + 1}"
        for name, value in logs.items():
            refuse_nan(name, value, when)
        variables = self._trainer_variables()
        values = _copies(variables)
        for variable, value in zip(variables, values, strict=True):
            refuse_nan(variable.path, value, when)
        new_best = epoch_score(logs) > max(map(epoch_score, self.logs), default=())
        self.state = dataclasses.replace(
            self.state,
            logs=[*self.logs, logs],
            trainer=values,
            best=_copies(self.detector.variables) if new_best else self.state.best,
        )
        self.state.write(self.log_dir / STATE)
        self._publish(new_best)
        if self.finished:
            self.model.stop_training = True

    def _publish(self, new_best: bool) -> None:
        """Writes what others read; the detector must be at its best for `new_best`."""
        with (
            replacing(self.log_dir / "history.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, ["epoch", *self.logs[0]])
            writer.writeheader()
            for epoch, logs in enumerate(self.logs):
                writer.writerow({"epoch": epoch, **logs})
        if new_best:
            save_model(self.detector, self.best_path)

    def _trainer_variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _assign(self, variables, values) -> None:
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [value.shape for value in values]:
            raise InputError(
                f"The weights in {self.log_dir / STATE} are those of another model or "
                f"optimizer. Delete {self.log_dir} to start this stage anew."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def _refuse_changes(self, before: State, force: bool) -> None:
        changes = [
            f"{name}={before.settings.get(name)!r} (now {value!r})"
            for name, value in self.state.settings.items()
            if before.settings.get(name) != value
        ]
        for split, images in self.images.items():
            if not np.array_equal(self.state.images[split], before.images[split]):
                changes.append(_changed_images(split, images, before.images[split]))
        if changes and not force:
            raise InputError(
                f"An unfinished run in {self.log_dir} was started with other settings "
                f"or images: {'; '.join(changes)}. Give it those to go on, force it to "
                f"go on with the new ones (--force), or delete {self.log_dir} to start "
                f"anew. Received: force={force}"
            )
        if changes:
            print(f"Going on by force in {self.log_dir} with: {'; '.join(changes)}.")


def forget_stages(log_dirs: Sequence[Path]) -> None:
    """Ends a run: called again, the same command trains anew.

    The last stage is forgotten first: after a kill in between, none is left that
    started from a forgotten one.
    """
    for log_dir in reversed(log_dirs):
        (log_dir / STATE).unlink(missing_ok=True)


def fingerprint(variables: Sequence[keras.Variable]) -> str:
    """A short hash of the values of variables, in order."""
    digest = hashlib.sha256()
    for value in _copies(variables):
        digest.update(value.tobytes())
    return digest.hexdigest()[:16]


def _copies(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    # Copies: what a backend gives may be the memory that the next step writes to.
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def _changed_images(split: str, images: ImageList, before: np.ndarray) -> str:
    """What differs between the images now and those before, in words."""
    now = images.fingerprints()
    new = [str(images.paths[i]) for i in np.flatnonzero(~np.isin(now, before))]
    gone = int(np.sum(~np.isin(before, now)))
    named = f" ({', '.join(new[:3])}{', …' if len(new) > 3 else ''})" if new else ""
    return (
        f"of the {split} images, {len(new)} are new or changed{named} and {gone} of "
        "the former are gone or changed"
    )
