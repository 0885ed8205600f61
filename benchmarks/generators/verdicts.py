"""From features to a verdict that a resized photograph can stand.

A network learns to name what was done to a window: nothing, a kind of classical
processing, or one of the generators. Two questions follow from its probabilities: is it
like what came from a generator rather than like an untouched photograph, and rather
than like a processed one? It is called fake only if both say so.
"""

import dataclasses

import keras
import numpy as np
from scipy.special import expit, log_softmax, logsumexp

from benchmarks.generators.windows import PROCESSING, UNTOUCHED
from keras_forensics.schedules import WarmupCosineDecay

FALSE_ALARMS = 0.05  # of real windows of val, in the kind that has most of them
LIMIT = 6  # standard deviations, beyond which a feature says no more
CERTAIN = 30.0  # log-odds
SOFTNESS = 4  # of the second question: log-odds that count as one


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """What every classifier may spend."""

    hidden_units: int = 256
    """Units between features and names; 0 for a linear classifier."""
    epochs: int = 6
    """Passes over the training windows."""
    batch_size: int = 128
    """Windows a step."""
    learning_rate: float = 3e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.01
    """Of AdamW, relative to the learning rate."""


@dataclasses.dataclass(frozen=True)
class Names:
    """The classes: kinds of real windows, then generators."""

    kinds: tuple[str, ...]
    generators: tuple[str, ...]

    def of(self, facts: np.recarray) -> np.ndarray:
        """The class of each window."""
        names = [*self.kinds, *self.generators]
        return np.array(
            [names.index(fact.generator if fact.label else fact.kind) for fact in facts]
        )

    def odds(
        self, log_probabilities: np.ndarray, unknown: str | None = None
    ) -> np.ndarray:
        """Log-odds of a generator against nothing, and against processing.

        Args:
            log_probabilities: `(windows, classes)`.
            unknown: A kind of processing that is taken as none of the classes.

        Returns:
            Array of shape `(windows, 2)`; the second is `CERTAIN` where no kind of
            processing is left.
        """
        count = len(self.kinds)
        untouched = log_probabilities[:, 0]
        generated = logsumexp(log_probabilities[:, count:], axis=1)
        kept = [
            index for index, kind in enumerate(self.kinds) if index and kind != unknown
        ]
        against = np.full(len(untouched), CERTAIN)
        if kept:
            against = generated - logsumexp(log_probabilities[:, kept], axis=1)
        return np.stack([generated - untouched, against], axis=1)


def names_in(facts: np.recarray) -> Names:
    """The classes that training windows have."""
    kinds = set(facts.kind[facts.label == 0])
    generators = sorted(set(facts.generator[facts.label == 1]))
    return Names(
        tuple(kind for kind in (UNTOUCHED, *PROCESSING) if kind in kinds),
        tuple(generators),
    )


def learn(
    features: np.ndarray,
    facts: np.recarray,
    train: np.ndarray,
    budget: Budget,
    seed: int,
) -> tuple[Names, np.ndarray]:
    """Trains a classifier, and asks it about every window.

    Args:
        features: `(windows, features)`.
        facts: Those of `Windows`.
        train: Which windows are trained on, boolean.
        budget: What it may spend.
        seed: Of weights, order and dropout.

    Returns:
        The classes, and the log-probability of each, `(windows, classes)`.
    """
    keras.utils.set_random_seed(seed)
    names = names_in(facts[train])
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)

    def scaled(part):
        return np.clip((part - mean) / (deviation + 1e-6), -LIMIT, LIMIT)

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(features.shape[1:]),
            *(
                [
                    layers.Dropout(0.2),
                    layers.Dense(budget.hidden_units, activation="relu"),
                    layers.Dropout(0.5),
                ]
                if budget.hidden_units
                else []
            ),
            layers.Dense(len(names.kinds) + len(names.generators)),
        ]
    )
    count = int(train.sum())
    steps = -(-count // budget.batch_size) * budget.epochs
    model.compile(
        keras.optimizers.AdamW(
            WarmupCosineDecay(budget.learning_rate, steps, steps // 4, 0.0),
            weight_decay=budget.weight_decay,
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    labels = facts.label[train]
    weights = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    model.fit(
        scaled(features[train]),
        names.of(facts[train]),
        sample_weight=weights,
        batch_size=budget.batch_size,
        epochs=budget.epochs,
        verbose=0,
    )
    parts = np.array_split(np.arange(len(features)), 8)
    found = [
        model.predict(scaled(features[part]), batch_size=1024, verbose=0)
        for part in parts
    ]
    return names, log_softmax(np.concatenate(found).astype("float64"), axis=1)


def score(odds: np.ndarray, threshold: float) -> np.ndarray:
    """One number from both questions, by which windows are ranked.

    What looks untouched, with odds below the threshold, is ranked by the first question
    below 0, everything else by the second from 0 to 1.

    Args:
        odds: Those of `Names.odds`, `(windows, 2)`.
        threshold: Of the first.
    """
    first = odds[:, 0] - threshold
    return np.where(first < 0, first, expit(odds[:, 1] / SOFTNESS))


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """From which score on a window is called fake.

    Attributes:
        known: For false alarms on kinds of processing that were trained on.
        unknown: The same, and on each kind as if it had not been one of the classes.
    """

    known: float
    unknown: float


def choose_thresholds(
    names: Names,
    log_probabilities: np.ndarray,
    kinds: np.ndarray,
    false_alarms: float = FALSE_ALARMS,
) -> tuple[float, Thresholds]:
    """Thresholds of real windows: of the first question, and of the score.

    Args:
        names: The classes.
        log_probabilities: Of real windows of val.
        kinds: What was done to each, among the classes.
        false_alarms: The share that the first question lets pass of untouched windows,
            and the score of those of the kind that has most.

    Returns:
        The threshold of the first question, and those of the score.
    """
    share = 1 - false_alarms
    odds = names.odds(log_probabilities)
    first = float(np.quantile(odds[kinds == UNTOUCHED, 0], share))
    known, unknown = [], []
    for kind in names.kinds:
        of_kind = kinds == kind
        known.append(np.quantile(score(odds[of_kind], first), share))
        as_unknown = names.odds(log_probabilities[of_kind], kind)
        unknown.append(np.quantile(score(as_unknown, first), share))
    return first, Thresholds(float(max(known)), float(max(known + unknown)))
