import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.deepfake_v3.evaluation.metrics import compute_metrics
from examples.deepfake_v3.evaluation.weighted_metrics import (
    weighted_auc,
    weighted_metrics,
)


@st.composite
def drawn_images(draw):
    """Labels, scores with ties, a threshold, and how often each image was drawn."""
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=10))
    size = len(labels)
    score = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    scores = draw(st.lists(score, min_size=size, max_size=size))
    times = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    return np.array(labels), np.array(scores), draw(score), np.array(times)


@given(drawn_images())
def test_an_image_of_weight_3_counts_as_three_images(data):
    labels, scores, threshold, times = data
    repeated = np.repeat(np.arange(len(labels)), times)
    found = weighted_metrics(labels, scores, threshold, times[None].astype(float))
    if len(np.unique(labels[repeated])) == 2:
        expected = compute_metrics(labels[repeated], scores[repeated], threshold)
        for name, values in found.items():
            assert values == pytest.approx([expected[name]]), name
    else:
        assert np.isnan(found["auc_roc"][0])


def test_each_row_of_weights_is_a_resample_of_its_own():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(2, size=40), rng.uniform(size=40)
    weights = rng.integers(4, size=(7, 40)).astype(float)
    together = weighted_metrics(labels, scores, 0.5, weights)
    alone = [weighted_metrics(labels, scores, 0.5, row[None]) for row in weights]
    for name, values in together.items():
        np.testing.assert_allclose(values, np.concatenate([a[name] for a in alone]))
    np.testing.assert_allclose(
        weighted_auc(labels, scores, weights), together["auc_roc"]
    )


def test_what_needs_both_classes_is_undefined_without_one():
    weights = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = weighted_metrics(
        np.array([0, 0, 1]), np.array([0.1, 0.6, 0.9]), 0.5, weights
    )
    assert np.isnan(found["auc_roc"]).all()
    assert np.isnan(found["detection_at_1_percent"]).all()
    np.testing.assert_array_equal(found["accuracy"], [0.5, 1])
    np.testing.assert_array_equal(found["specificity"], [0.5, np.nan])
    np.testing.assert_array_equal(found["recall"], [np.nan, 1])
