import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from examples.deepfake_v3.evaluation import intervals
from examples.deepfake_v3.evaluation.intervals import bootstrap


def interval_of_mean(values, clusters, **options):
    return bootstrap(
        lambda weights: {"mean": weights @ values / weights.sum(axis=1)},
        clusters,
        **options,
    )["mean"]


def test_interval_of_independent_images_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=200)
    expected = scipy_bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=1
    ).confidence_interval
    found = interval_of_mean(values, np.arange(200), draws=5000)
    assert found == pytest.approx(tuple(expected), abs=0.01)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(50), 4)
    covered = 0
    for seed in range(300):
        # Images of a cluster are alike: what they share has a mean of 0.
        values = rng.normal(size=50)[clusters] + rng.normal(0, 0.5, 200)
        low, high = interval_of_mean(
            values, clusters, draws=300, confidence=0.8, seed=seed
        )
        covered += low < 0 < high
    assert 0.72 < covered / 300 < 0.86


def test_copies_in_a_group_make_no_evidence():
    values = np.random.default_rng(0).normal(size=50)
    alone = interval_of_mean(values, np.arange(50))
    copies = np.repeat(values, 10)
    together = interval_of_mean(copies, np.repeat(np.arange(50), 10))
    apart = interval_of_mean(copies, np.arange(500))
    assert together == pytest.approx(alone)
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_result_does_not_depend_on_how_much_fits_in_memory(monkeypatch):
    values, clusters = np.random.default_rng(0).normal(size=30), np.arange(30) // 3
    whole = interval_of_mean(values, clusters)
    monkeypatch.setattr(intervals, "CHUNK", 70)
    assert interval_of_mean(values, clusters) == pytest.approx(whole)


def test_undefined_values_are_left_out():
    def statistics(weights):
        first = np.where(weights[:, 0] > 0, weights[:, 0], np.nan)
        return {"some": first, "none": np.full(len(weights), np.nan)}

    found = bootstrap(statistics, np.arange(5))
    assert found["none"] is None
    assert found["some"][0] == 1


def test_one_cluster_gives_no_interval():
    assert interval_of_mean(np.arange(5.0), np.zeros(5)) is None
