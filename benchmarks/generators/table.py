"""From folds to tables: means over seeds, intervals over photographs."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from benchmarks.generators.protocol import GENERATED, Fold
from benchmarks.generators.verdicts import Thresholds
from benchmarks.generators.windows import PROCESSING, QUALITIES, UNTOUCHED
from benchmarks.intervals import bootstrap_mean
from examples.deepfake_v3.evaluation.intervals import bootstrap
from examples.deepfake_v3.evaluation.weighted_metrics import weighted_auc

THRESHOLDS = tuple(field.name for field in dataclasses.fields(Thresholds))


def mean_auc(folds: Sequence[Fold], kind: str = UNTOUCHED) -> float:
    """Mean over seeds of one generator."""
    return float(np.mean([fold.auc(kind) for fold in folds]))


def auc_interval(folds: Sequence[Fold], kind: str = UNTOUCHED) -> str:
    """95 % interval of that mean, over photographs and prompts."""
    facts = folds[0].facts
    chosen = np.isin(facts.set, GENERATED) & (facts.kind == kind)
    labels, photographs = facts.label[chosen], facts.photograph[chosen]

    def means(weights):
        of_seeds = [
            weighted_auc(labels, fold.scores[chosen], weights) for fold in folds
        ]
        return {"auc": np.mean(of_seeds, axis=0)}

    interval = bootstrap(means, np.unique(photographs, return_inverse=True)[1])["auc"]
    assert interval is not None
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def shares(folds: Sequence[Fold], **facts) -> list[float]:
    """Mean over seeds of the share that is called fake, at each of the thresholds."""
    return [
        float(
            np.mean(
                [
                    fold.called_fake(getattr(fold.thresholds, name), **facts).mean()
                    for fold in folds
                ]
            )
        )
        for name in THRESHOLDS
    ]


def generator_row(name: str, folds: Sequence[Fold], controls: Sequence[float]) -> list:
    """What was found when one generator was left out."""
    own = folds[0].facts.set[np.flatnonzero(np.isin(folds[0].facts.set, GENERATED))[0]]
    return [
        name,
        *(f"{value:.3f}" for value in controls),
        f"{mean_auc(folds):.3f}",
        auc_interval(folds),
        *(f"{mean_auc(folds, f'quality {quality}'):.3f}" for quality in QUALITIES),
        *_two_digits(shares(folds, set=own, label=1, kind=UNTOUCHED)),
        *_two_digits(shares(folds, set=own, label=0, kind=UNTOUCHED)),
    ]


def _two_digits(values: Sequence[float]) -> list[str]:
    return [f"{value:.2f}" for value in values]


def _at_each_threshold(column: str) -> list[str]:
    return [f"{column}, {name}" for name in THRESHOLDS]


GENERATOR_COLUMNS = [
    "generator left out",
    "colour",
    "noise and blockiness",
    "AUC",
    "interval",
    *(f"quality {quality}" for quality in QUALITIES),
    *_at_each_threshold("fakes found"),
    *_at_each_threshold("untouched called fake"),
]


def false_alarm_rows(folds: Sequence[Fold], held_out: str) -> list[list]:
    """How often processed photographs are called fake, over all folds."""
    facts = folds[0].facts
    rows = []
    for kind in sorted(set(facts.kind[facts.set == "processed"])):
        rows.append(_false_alarms(folds, held_out, "files", "processed", kind))
    for kind in (UNTOUCHED, *PROCESSING):
        rows.append(_false_alarms(folds, held_out, "windows", "photographs", kind))
    return rows


def _false_alarms(folds, held_out, what, set_name, kind) -> list:
    photographs = folds[0].facts.photograph[folds[0].which(set=set_name, kind=kind)]
    cells: list = [held_out, kind, f"{len(photographs)} {what}"]
    for name in THRESHOLDS:
        called = np.mean(
            [
                fold.called_fake(
                    getattr(fold.thresholds, name), set=set_name, kind=kind
                )
                for fold in folds
            ],
            axis=0,
        )
        low, high = bootstrap_mean(called, photographs)
        cells.append(f"{called.mean():.2f} ({low:.2f} to {high:.2f})")
    return cells


FALSE_ALARM_COLUMNS = [
    "not trained on",
    "real images",
    "number",
    *_at_each_threshold("called fake"),
]


def summarize(
    folds: dict[str, list[Fold]], of: Callable[[Sequence[Fold]], float]
) -> tuple[float, float]:
    """Mean over the generators left out, and the worst."""
    values = [of(each) for each in folds.values()]
    return float(np.mean(values)), float(np.min(values))


FRONT_COLUMNS = [
    "features",
    "number",
    "classifier",
    "mean AUC",
    "worst",
    "against resized",
    "more than control",
    "interval",
    *_at_each_threshold("fakes found"),
    *_at_each_threshold("resized called fake"),
]


def front_row(
    name: str,
    number: int,
    classifier: str,
    folds: dict[str, list[Fold]],
    controls: dict[str, float],
) -> list:
    """What a front's features reach, and what they add to the control."""
    mean, worst = summarize(folds, mean_auc)
    gains = np.array([mean_auc(folds[each]) - controls[each] for each in folds])
    low, high = _student(gains)
    every = [fold for each in folds.values() for fold in each]
    return [
        name,
        number,
        classifier,
        f"{mean:.3f}",
        f"{worst:.3f}",
        f"{np.mean([fold.auc_against(set='processed') for fold in every]):.2f}",
        f"{gains.mean():+.3f}",
        f"{low:+.3f} to {high:+.3f}",
        *_two_digits(shares(every, set="pairs", label=1, kind=UNTOUCHED)),
        *_two_digits(shares(every, set="photographs", label=0, kind="resizing")),
    ]


def _student(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a mean over generators."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(values.mean() - half), float(values.mean() + half)
