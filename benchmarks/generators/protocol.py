"""Leave one generator out: what is said of its images, and of processed photographs."""

import dataclasses

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from benchmarks.generators.verdicts import (
    Budget,
    Thresholds,
    choose_thresholds,
    learn,
    score,
)
from benchmarks.generators.windows import PROCESSING, UNTOUCHED, Windows

HELD_OUT: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "resizing": ("resizing", "enlarging"),
    "median": ("median",),
    "everything": PROCESSING,
}
"""Kinds of processing that are not trained on, by what is held out."""


GENERATED = ("pairs", "named")
"""Sets with images of generators."""


@dataclasses.dataclass(frozen=True)
class Fold:
    """What one classifier says of the windows that it is tested on.

    Attributes:
        facts: Of the windows: val and test of the generator left out, processed
            photographs of val and test, and windows of the test photographs.
        scores: Of the windows, fake above real.
        thresholds: At and above them, a window is called fake.
    """

    facts: np.recarray
    scores: np.ndarray
    thresholds: Thresholds

    def auc(self, kind: str = UNTOUCHED) -> float:
        """Of the generator left out, both classes being of this kind."""
        chosen = np.isin(self.facts.set, GENERATED) & (self.facts.kind == kind)
        return float(roc_auc_score(self.facts.label[chosen], self.scores[chosen]))

    def called_fake(self, threshold: float, **facts) -> np.ndarray:
        """Whether windows with these facts are called fake, boolean."""
        return self.scores[self.which(**facts)] >= threshold

    def which(self, **facts) -> np.ndarray:
        """Which windows have these facts, boolean."""
        chosen = np.ones(len(self.facts), bool)
        for name, value in facts.items():
            chosen &= self.facts[name] == value
        return chosen

    def auc_against(self, **facts) -> float:
        """Of untouched fakes against real windows with these facts."""
        fakes = self.scores[self.which(label=1, kind=UNTOUCHED)]
        real = self.scores[self.which(label=0, **facts)]
        labels = np.repeat([0, 1], [len(real), len(fakes)])
        return float(roc_auc_score(labels, np.concatenate([real, fakes])))


def leave_out(
    features: np.ndarray,
    windows: Windows,
    generator: str,
    held_out: str,
    budget: Budget,
    seed: int,
) -> Fold:
    """Trains on all generators of a set but one, and tests on that.

    Args:
        features: Of every window, `(windows, features)`.
        windows: The windows.
        generator: The one that is left out; its set is trained on.
        held_out: One of `HELD_OUT`: processing that is not trained on, either.
        budget: What the classifier may spend.
        seed: Of its weights, order and dropout.
    """
    facts = windows.facts
    (own_set,) = set(facts.set[facts.generator == generator])
    known = (facts.generator != generator) & ~np.isin(facts.kind, HELD_OUT[held_out])
    known &= (facts.set == own_set) | (facts.set == "photographs")
    named = np.isin(facts.kind, (UNTOUCHED, *PROCESSING))
    train = known & named & (facts.split == "train")
    names, log_probabilities = learn(features, facts, train, budget, seed)
    odds = names.odds(log_probabilities)
    val = known & named & (facts.split == "val") & (facts.label == 0)
    first, thresholds = choose_thresholds(
        names, log_probabilities[val], facts.kind[val]
    )
    pairs = (facts.set == own_set) & (facts.split != "train")
    pairs &= (facts.generator == generator) | (facts.generator == "")
    tested = np.concatenate(
        [
            np.flatnonzero(pairs),
            np.flatnonzero((facts.set == "processed") & (facts.split != "train")),
            np.flatnonzero((facts.set == "photographs") & (facts.split == "test")),
        ]
    )
    return Fold(facts[tested], score(odds[tested], first), thresholds)


def control_auc(features: np.ndarray, windows: Windows, generator: str) -> float:
    """What boosted trees reach on a few facts, as the files of the sets are.

    Args:
        features: Facts of every window, `(windows, facts)`.
        windows: The windows.
        generator: The one that is left out.
    """
    facts = windows.facts
    (own_set,) = set(facts.set[facts.generator == generator])
    files = (facts.set == own_set) & (facts.kind == UNTOUCHED)
    train = files & (facts.split == "train") & (facts.generator != generator)
    tested = files & (facts.split != "train")
    tested &= (facts.generator == generator) | (facts.generator == "")
    model = HistGradientBoostingClassifier(
        max_iter=60, class_weight="balanced", random_state=0
    )
    with threadpool_limits(1, user_api="openmp"):
        model.fit(features[train], facts.label[train])
        scores = model.predict_proba(features[tested])[:, 1]
    return float(roc_auc_score(facts.label[tested], scores))
