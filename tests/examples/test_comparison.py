import numpy as np
import pytest

from examples.deepfake_v3.evaluation.comparison import compare
from examples.deepfake_v3.evaluation.metrics import compute_metrics
from examples.deepfake_v3.evaluation.scoring import Scored


def detectors(count=300, gap=0.3):
    """Two detectors that err on the same images; the first sees a little more."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    shared = rng.normal(0, 1, count)
    clusters = np.arange(count) // 2
    paths = tuple(f"{i}.png" for i in range(count))
    return [
        Scored(paths, labels, 1 / (1 + np.exp(-(shared + more * labels))), clusters)
        for more in (1 + gap, 1)
    ]


def test_a_model_beside_itself_differs_by_exactly_0():
    ours, _ = detectors()
    for row in compare(ours, ours, (0.6, 0.6)).values():
        assert row["this"] == row["other"]
        assert row["difference"] == {"value": 0, "low": 0, "high": 0}


def test_differences_are_those_of_the_metrics():
    ours, theirs = detectors()
    found = compare(ours, theirs, (0.6, 0.4))
    this = compute_metrics(ours.labels, ours.scores, 0.6)
    other = compute_metrics(theirs.labels, theirs.scores, 0.4)
    for name, row in found.items():
        assert row["this"]["value"] == pytest.approx(this[name])
        assert row["other"]["value"] == pytest.approx(other[name])
        expected = this[name] - other[name]
        assert row["difference"]["value"] == pytest.approx(expected)
        assert row["difference"]["low"] < expected < row["difference"]["high"]


def test_pairing_shows_a_difference_that_two_intervals_hide():
    row = compare(*detectors(), (0.5, 0.5))["auc_roc"]
    assert row["this"]["low"] < row["other"]["high"]  # they overlap
    assert row["difference"]["low"] > 0


def test_the_difference_is_drawn_by_clusters():
    ours, theirs = detectors(gap=0.1)
    narrow = compare(ours, theirs, (0.5, 0.5))["accuracy"]["difference"]
    copies = [
        Scored(
            tuple(f"{i}-{path}" for i in range(8) for path in each.paths),
            np.tile(each.labels, 8),
            np.tile(each.scores, 8),
            np.tile(each.clusters, 8),
        )
        for each in (ours, theirs)
    ]
    assert compare(*copies, (0.5, 0.5))["accuracy"]["difference"] == pytest.approx(
        narrow
    )


def test_scores_of_other_images_are_refused():
    ours, theirs = detectors()
    with pytest.raises(ValueError, match=r"same images.*300 and 299"):
        compare(ours, theirs.only(theirs.paths[1:]), (0.5, 0.5))
