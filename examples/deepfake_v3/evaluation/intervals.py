"""Intervals by resampling: what could other test images like these have given?"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

DRAWS = 1000
CHUNK = 2_000_000  # weights in memory at a time


def bootstrap(
    statistics: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    clusters: np.ndarray,
    *,
    draws: int = DRAWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float] | None]:
    """Percentile intervals, resampling whole clusters of images.

    Images of one video are no independent evidence. Drawn together, they count once.

    Args:
        statistics: Gives values by name, each of shape `(some,)`, for weights of shape
            `(some, images)`: how often each image was drawn. NaN where a value is
            undefined, such as an AUC without a fake image; these are left out.
        clusters: Array of shape `(images,)`, equal for images that belong together.
        draws: Number of resamples.
        confidence: Share of the resamples inside the interval.
        seed: Seed of the resamples.

    Returns:
        `{name: (low, high)}`, or None where there is nothing to resample: a single
        cluster, or no draw with a value.
    """
    chunks = [statistics(weights) for weights in _weights(clusters, draws, seed)]
    several = len(np.unique(clusters)) > 1
    tail = (1 - confidence) / 2
    intervals: dict[str, tuple[float, float] | None] = {}
    for name in chunks[0]:
        values = np.concatenate([chunk[name] for chunk in chunks])
        values = values[np.isfinite(values)]
        intervals[name] = None
        if several and values.size:
            low, high = np.quantile(values, [tail, 1 - tail])
            intervals[name] = (float(low), float(high))
    return intervals


def _weights(clusters: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn, `(some, images)` until there are `draws`."""
    rng = np.random.default_rng(seed)
    names, cluster_of = np.unique(clusters, return_inverse=True)
    count = len(names)
    step = max(1, CHUNK // len(cluster_of))
    for start in range(0, draws, step):
        some = min(step, draws - start)
        drawn = rng.integers(count, size=(some, count))
        drawn += count * np.arange(some)[:, None]  # a row of counters for each draw
        times = np.bincount(drawn.ravel(), minlength=some * count)
        yield times.reshape(some, count)[:, cluster_of].astype(np.float64)
