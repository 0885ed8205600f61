"""The variants of the detector, and runs that are not made twice."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import ops

from benchmarks.accuracy import __main__ as accuracy
from benchmarks.accuracy.fused import fused_batch_normalization
from benchmarks.accuracy.images import group_of_each, read_images
from benchmarks.accuracy.table import of_one_set
from benchmarks.accuracy.variants import VARIANTS, build, detector
from examples.deepfake_v3.demo_set import render_demo_set
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.mirror import with_mirror
from examples.deepfake_v3.model import build_model_v3
from examples.deepfake_v3.options.training import TrainingOptions


def names_and_shapes(model):
    return [
        (layer.name.rstrip("_0123456789"), [tuple(w.shape) for w in layer.weights])
        for layer in model.layers
        if layer.weights
    ]


def test_detector_with_all_its_parts_is_that_of_the_recipe():
    images = keras.Input((32, 32, 3))
    parts = keras.Model(images, detector(images, None, 64))
    recipe = build_model_v3(None, 32, visual_size=64)
    assert names_and_shapes(parts) == names_and_shapes(recipe)
    assert parts.get_layer("forensic_stream").strides == (1, 1)


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("variant", VARIANTS)
def test_variant_can_be_saved_and_hands_evidence_on(variant, tmp_path):
    model = build(variant, None, 32, 64)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype("float32")
    images[1] //= 16
    scores = ops.convert_to_numpy(model(images, training=False))
    assert scores.shape == (2, 1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    again = ops.convert_to_numpy(loaded(images, training=False))
    np.testing.assert_allclose(again, scores, rtol=1e-6)
    assert ((scores > 0) & (scores < 1)).all()
    # In a random backbone the image fades out, in the stream it does not.
    names = {layer.name for layer in model.layers}
    if "evidence" in names or "backbone" not in names:
        assert scores[0] != scores[1]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's"
)
def test_fused_normalization_trains_like_that_of_keras():
    rng = np.random.default_rng(0)
    images = rng.normal(3, 2, (4, 9, 9, 5)).astype("float32")
    labels = rng.normal(size=(4, 9, 9, 5)).astype("float32")

    def trained(steps):
        layer = keras.layers.BatchNormalization(momentum=0.9)
        model = keras.Sequential([keras.Input((9, 9, 5)), layer])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        for _ in range(steps):
            model.train_on_batch(images, labels)
        return layer.get_weights()

    expected = trained(3)
    with fused_batch_normalization():
        fused = trained(3)
    np.testing.assert_allclose(fused[:3], expected[:3], rtol=1e-4, atol=1e-6)
    pixels = 4 * 9 * 9
    variance = 0.9**3 + (expected[3] - 0.9**3) * pixels / (pixels - 1)
    np.testing.assert_allclose(fused[3], variance, rtol=1e-4)
    assert abs(fused[3] - expected[3]).min() > 1e-4  # so the kernel did run


def labels_and_digests(images):
    listed = zip(images.paths, images.labels, images.digests, strict=True)
    return {path: (label, digest) for path, label, digest in listed}


def test_sets_are_mixed_split_by_split_and_keep_their_groups(tmp_path):
    counts = {"train": 3, "val": 1, "test": 2}
    for seed, name in enumerate("ab"):
        render_demo_set(
            tmp_path / name, images_per_class=counts, image_size=32, seed=seed
        )
    root = tmp_path / "b"
    (root / "groups.csv").write_text(
        "file,group\n"
        + "".join(
            f"{path.relative_to(root).as_posix()},one\n"
            for path in root.glob("test/*/*")
        )
    )
    dirs = [str(tmp_path / name) for name in "ab"]
    alone = [check_data_dir(folder) for folder in dirs]
    images = read_images(dirs)
    for split, mixture in images.items():
        assert labels_and_digests(mixture) == {
            path: image
            for lists in alone
            for path, image in labels_and_digests(lists[split]).items()
        }
        assert (np.diff(mixture.labels) >= 0).all()
    # In one set every image is its own group, in the other all are one.
    groups = group_of_each(dirs, images["test"])
    assert len(set(groups)) == 4 + 1
    of_b = [path.is_relative_to(root) for path in images["test"].paths]
    assert len(set(groups[of_b])) == 1
    labels = images["test"].labels
    scores = np.where(of_b, 1 - labels, labels)  # right in one set only
    finished = {("detector", 3): {0: {"test": scores}}}
    for directory, score in zip(dirs, ("1.000", "0.000"), strict=True):
        assert of_one_set(directory, images["test"], finished).endswith(
            f" alone: detector (6 training images) {score} and {score}."
        )

    leak = next((tmp_path / "a" / "test" / "real").iterdir())
    (root / "train" / "real" / f"copy{leak.suffix}").write_bytes(leak.read_bytes())
    with pytest.raises(ValueError, match="two splits") as caught:
        read_images(dirs)
    assert str(leak) in str(caught.value)


def test_finished_runs_are_kept_and_compared(accuracy_on_demo, tmp_path, monkeypatch):
    benchmark = accuracy_on_demo(
        {"train": 4, "val": 4, "test": 4},
        variants=("plain backbone", "forensic stream alone"),
        seeds=(0,),
        stage_epochs=(0, 0, 0),
        batch_size=4,
        options=TrainingOptions(verbose=0),
    )
    accuracy.main(benchmark)
    table = json.loads((tmp_path / "results" / "accuracy_demo.json").read_text())
    assert [row[0] for row in table["rows"]] == list(benchmark.variants)
    for details in table["runs"]:
        (run,) = details["runs"]
        (best,) = run["val_auc_of_stages"]  # of the only stage
        assert 0 <= best <= 1
    by_hand = keras.models.load_model(
        tmp_path / "work" / "demo" / "plain_backbone_all_0" / "model.keras"
    )
    assert by_hand.output_shape == (None, 1)
    images = check_data_dir(benchmark.data_dir[0], ("val", "test"))
    path = tmp_path / "results" / "accuracy_demo" / "plain_backbone_all_0.json"
    run = json.loads(path.read_text())
    for model, found in ((by_hand, run["one_look"]), (with_mirror(by_hand), run)):
        expected = accuracy.scores_of(model, images, benchmark.options)
        np.testing.assert_allclose(found["test"], expected["test"], rtol=1e-4)
    assert "plain backbone 0.500 and" in table["what"]
    assert f"Trained on {run['machine']['processor']} (" in table["what"]

    def fail(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(accuracy, "train", fail)
    accuracy.main(benchmark)
    # One variant of a second run: the table keeps the other.
    accuracy.main(dataclasses.replace(benchmark, variants=("plain backbone",)))
    again = json.loads((tmp_path / "results" / "accuracy_demo.json").read_text())
    assert again["rows"] == table["rows"]
    with pytest.raises(ValueError, match="other settings"):
        accuracy.main(dataclasses.replace(benchmark, batch_size=2))
