"""Errors on generated images are counted as the table says."""

import numpy as np
import pytest

from benchmarks.rich_models import generated
from benchmarks.rich_models.generated import Generated, describe, find_errors
from examples.deepfake_v3.loading.data import ImageList


class FirstFeature:
    """Calls images 1 or -1, as the first feature is above the means' middle or not."""

    def __init__(self, negative, positive, seed):
        self.border = (negative[:, 0].mean() + positive[:, 0].mean()) / 2

    def predict(self, features):
        return np.where(features[:, 0] > self.border, 1, -1)


def images(labels):
    return ImageList(tuple(map(str, range(len(labels)))), np.array(labels))


def test_errors_are_the_images_that_an_ensemble_calls_wrongly(monkeypatch):
    monkeypatch.setattr(generated, "train_ensemble", FirstFeature)
    lists = {"train": images([0, 0, 1, 1]), "test": images([0, 0, 1, 1])}
    features = {
        "train": np.array([[0.0], [0.2], [0.8], [1.0]]),
        "test": np.array([[0.1], [0.9], [0.7], [0.9]]),  # the second looks generated
    }
    options = Generated(data_dir="some", features_dir="", seeds=(0, 1))
    wrong = find_errors(options, features, lists)
    np.testing.assert_array_equal(wrong, [[0, 1, 0, 0]] * 2)


def test_a_row_is_the_mean_over_seeds_with_an_interval_over_groups():
    wrong = np.zeros((2, 100))
    wrong[0, :20] = 1
    wrong[1, :10] = 1
    name, number, error, interval, by_seed = describe("some", 7, wrong, np.arange(100))
    assert (name, number, by_seed) == ("some", 7, "0.2000, 0.1000")
    assert error == pytest.approx(0.15)
    low, high = map(float, interval.split(" to "))
    assert 0.05 < low < 0.15 < high < 0.25
    # Images that belong together say less.
    wider = describe("some", 7, wrong, np.arange(100) // 10)[3]
    assert float(wider.split(" to ")[1]) > high
