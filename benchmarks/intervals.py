"""Intervals for the tables: over seeds, and over groups of test images."""

import statistics
from collections.abc import Callable

import numpy as np

STUDENT_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % quantile, by seeds


def student_interval(values: list[float]) -> str:
    """Mean ± half the 95 % interval over seeds (Student's t)."""
    if len(values) not in STUDENT_T:
        return f"{statistics.mean(values):.3f}"
    half = STUDENT_T[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.3f} ± {half:.3f}"


def bootstrap_clusters(
    statistic: Callable[[np.ndarray], float],
    groups: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of `statistic`, resampling whole groups.

    Args:
        statistic: Function of the indices that were drawn.
        groups: The group of every image.
        draws: Number of resamples.
        seed: Seed of the resamples.
    """
    rng = np.random.default_rng(seed)
    names, group_of = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(group_of == index) for index in range(len(names))]
    values = [
        statistic(
            np.concatenate(
                [members[i] for i in rng.integers(len(names), size=len(names))]
            )
        )
        for _ in range(draws)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
