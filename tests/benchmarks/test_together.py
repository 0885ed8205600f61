"""Seeds that are trained at once learn what they learn one by one."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import ops

from benchmarks.accuracy import __main__ as accuracy
from examples.deepfake_v3.options.training import TrainingOptions

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="seeds are trained together with JAX"
    ),
]

TOLERANCE = 1e-4  # of probabilities


@pytest.fixture
def benchmark(accuracy_on_demo, small_backbone):
    return accuracy_on_demo(
        {"train": 16, "val": 8, "test": 8},
        variants=("plain backbone",),
        seeds=(0, 1),
        stage_epochs=(0, 0, 1),
        batch_size=8,
        options=TrainingOptions(verbose=0, mixed_precision="float32"),
    )


def runs_of(benchmark):
    accuracy.main(benchmark)
    folder = accuracy.result_path(benchmark).with_suffix("")
    return [
        json.loads((folder / f"plain_backbone_all_{seed}.json").read_text())
        for seed in benchmark.seeds
    ]


def test_seeds_learn_together_what_they_learn_one_by_one(benchmark, monkeypatch):
    one_by_one = runs_of(benchmark)
    together = dataclasses.replace(benchmark, name="together", together=True)
    at_once = runs_of(together)
    between_seeds = np.subtract(one_by_one[0]["test"], one_by_one[1]["test"])
    assert abs(between_seeds).max() > 100 * TOLERANCE
    for ours, theirs in zip(at_once, one_by_one, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["settings"] == theirs["settings"]
        for looks in (lambda run: run, lambda run: run["one_look"]):
            for split in ("val", "test"):
                np.testing.assert_allclose(
                    looks(ours)[split], looks(theirs)[split], atol=TOLERANCE
                )
    table = json.loads(accuracy.result_path(together).read_text())
    assert [row[2] for row in table["rows"]] == [2]

    def fail(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(accuracy, "run_together", fail)
    accuracy.main(together)


def test_the_best_epoch_is_that_of_the_recipe():
    from benchmarks.accuracy.together import epoch_scores

    labels = np.array([0, 0, 1, 1])
    sure, unsure = np.array([[0.1, 0.7, 0.6, 0.9], [0.4, 0.52, 0.51, 0.6]])
    found = epoch_scores(labels, np.stack([sure, unsure]), 0.2)
    smoothed = np.array([0.1, 0.1, 0.9, 0.9])
    for (auc, negative_loss), scores in zip(found, (sure, unsure), strict=True):
        assert auc == 0.75  # of four pairs, one is in the wrong order
        expected = smoothed * np.log(scores) + (1 - smoothed) * np.log(1 - scores)
        assert negative_loss == pytest.approx(expected.mean(), rel=1e-5)
    assert found[0] > found[1]


@pytest.mark.parametrize(
    ("option", "changes"),
    [
        ("images_per_class", {"images_per_class": (4,)}),
        ("shuffle_labels", {"options": TrainingOptions(shuffle_labels=True)}),
        ("steps_per_epoch", {"options": TrainingOptions(steps_per_epoch=1)}),
        (
            "mixed_precision",
            {"options": TrainingOptions(mixed_precision="mixed_float16")},
        ),
    ],
)
def test_what_cannot_be_trained_together_is_refused(benchmark, option, changes):
    benchmark = dataclasses.replace(benchmark, together=True, **changes)
    with pytest.raises(ValueError, match=option):
        accuracy.main(benchmark)
    assert not accuracy.result_path(benchmark).exists()


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D"])
def test_products_are_the_convolution(kind, kernel_size, strides, padding):
    from benchmarks.accuracy.together import convolutions_as_products

    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 9, 8, 4)).astype("float32")
    arguments = {"filters": 5} if kind == "Conv2D" else {}
    layer = getattr(keras.layers, kind)(
        kernel_size=kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        activation="relu6",
        **arguments,
    )
    expected = ops.convert_to_numpy(layer(images))
    with convolutions_as_products():
        found = ops.convert_to_numpy(layer(images))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
