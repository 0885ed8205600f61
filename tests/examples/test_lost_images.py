"""Files that become unreadable after the check, in training and in evaluation."""

import csv
import json
import os
import shutil
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3 import evaluate_model, train_model
from examples.deepfake_v3.__main__ import main
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.evaluation.metrics import compute_metrics
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.loading.lost_images import LostImages, LostImagesError
from examples.deepfake_v3.loading.pipeline import make_dataset
from examples.deepfake_v3.train_model import train_model_v3

pytestmark = pytest.mark.backends

PIPELINES = ("tf", "grain") if keras.backend.backend() == "tensorflow" else ("grain",)
SIZE = 40  # the whole height of an image


def delete(path):
    path.unlink()


def replace_by_garbage(path):
    path.write_bytes(b"garbage")


def replace_by_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


ACCIDENTS = (delete, replace_by_garbage, replace_by_a_pipe, replace_by_a_folder)


def read_all(images, pipeline, lost, training=False):
    """Pixels, labels and weights of one pass."""
    dataset = make_dataset(
        images,
        image_size=SIZE,
        batch_size=len(images),
        training=training,
        pipeline=pipeline,
        lost=lost,
    )
    return [np.asarray(part) for part in next(iter(dataset))]


def centre(path):
    return crop_to_size(read_image(path), SIZE)


@pytest.mark.parametrize("accident", ACCIDENTS)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_next_image_of_the_class_takes_the_place(data_dir, pipeline, accident):
    images = check_data_dir(data_dir)["val"]
    real, other_real, fake, other_fake = images.paths
    accident(real)
    accident(other_fake)
    pixels, labels, weights = read_all(images, pipeline, LostImages())
    for found, path in zip(pixels, (other_real, other_real, fake, fake), strict=True):
        np.testing.assert_array_equal(found, centre(path))
    assert labels.tolist() == [0, 0, 1, 1]
    assert weights.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_training_batches_stay_full_and_balanced(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    delete(images.paths[1])
    pixels, labels, weights = read_all(images, pipeline, LostImages(), training=True)
    assert sorted(labels) == [0, 0, 1, 1]
    assert weights.tolist() == [1, 1, 1, 1]
    assert pixels.reshape(4, -1).std(axis=1).min() > 50  # noise, no black image


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_without_replacement_a_lost_image_weighs_nothing(data_dir, pipeline):
    images = check_data_dir(data_dir)["val"]
    delete(images.paths[1])
    lost = LostImages(replaced=False)
    pixels, _, weights = read_all(images, pipeline, lost)
    assert weights.tolist() == [1, 0, 1, 1]
    assert not pixels[1].any()
    np.testing.assert_array_equal(pixels[2], centre(images.paths[2]))
    assert lost.marked(images).tolist() == [False, True, False, False]


def test_image_of_another_size_is_used(data_dir):
    images = check_data_dir(data_dir)["val"]
    Image.new("RGB", (7, 300), (1, 2, 3)).save(images.paths[0])
    pixels, _, _ = read_all(images, "grain", LostImages())
    assert (pixels[0] == (1, 2, 3)).all()


def test_lost_image_is_reported_once(data_dir, tmp_path, capsys):
    report = tmp_path / "quarantine.csv"
    (data_dir / "val" / "fake" / "notes.txt").write_text("no image")
    images = check_data_dir(data_dir, report_path=report)["val"]
    delete(images.paths[0])
    lost = LostImages(report)
    for _ in range(3):
        read_all(images, "grain", lost)
    assert capsys.readouterr().err.count(str(images.paths[0])) == 1
    with report.open(newline="") as file:
        rows = [(row["file"], row["reason"]) for row in csv.DictReader(file)]
    assert [file for file, _ in rows] == [
        str(data_dir / "val" / "fake" / "notes.txt"),
        str(images.paths[0]),
    ]
    assert "lost during the run: not readable: No such file" in rows[1][1]


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_names_that_are_not_utf8_are_reported(data_dir, tmp_path, capsys):
    whole = data_dir / "val" / "real" / "0.png"
    path = whole.with_name(os.fsdecode(b"\xff\n\xfe.png"))
    whole.rename(path)
    images = check_data_dir(data_dir)["val"]
    delete(path)
    read_all(images, "grain", LostImages(tmp_path / "quarantine.csv"))
    assert r"\udcff\n\udcfe.png" in capsys.readouterr().err
    assert "\\udcff\n\\udcfe.png" in (tmp_path / "quarantine.csv").read_text("utf-8")


def test_report_that_cannot_be_written_does_not_end_the_run(data_dir, tmp_path):
    images = check_data_dir(data_dir)["val"]
    delete(images.paths[0])
    lost = LostImages(tmp_path / "gone" / "quarantine.csv")
    assert len(read_all(images, "grain", lost)[0]) == 4


def lose_class(images):
    for path in images.paths[2:]:
        path.unlink()


def lose_folder(images):
    shutil.rmtree(images.paths[0].parent)


@pytest.mark.parametrize(
    ("accident", "message"),
    [
        (lose_class, r"No image of class fake .*network drive.*fake.*No such file"),
        (lose_folder, r"The folder .*val/real is gone\. .*network drive"),
    ],
)
@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_too_many_lost_images_end_the_run(
    data_dir, pipeline, replaced, accident, message
):
    images = check_data_dir(data_dir)["val"]
    accident(images)
    lost = LostImages(replaced=replaced)
    with (
        pytest.raises(LostImagesError, match=message),
        lost.ending_readably(),
    ):
        read_all(images, pipeline, lost)


def test_more_lost_images_than_one_in_a_hundred_end_the_run(data_dir, capsys):
    for index in range(30):
        pixels = np.full((8, 8, 3), index, "uint8")
        Image.fromarray(pixels).save(data_dir / "train" / "real" / f"more{index}.png")
    images = check_data_dir(data_dir)["train"]
    for path in images.paths[:10]:
        path.unlink()
    lost = LostImages()
    read_all(images, "grain", lost)
    assert capsys.readouterr().err.count("Lost during the run") == 10
    images.paths[10].unlink()
    with (
        pytest.raises(LostImagesError, match="11 of 34 images"),
        lost.ending_readably(),
    ):
        read_all(images, "grain", lost)


def mean_level_detector(size=32):
    """Scores an image by the mean of its grey levels."""
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(
        1, use_bias=False, kernel_initializer=keras.initializers.Constant(1 / 3)
    )(x)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_folder_that_vanishes_during_fit_ends_it_with_a_plain_error(
    data_dir, pipeline, split
):
    splits = check_data_dir(data_dir)
    lost = LostImages()
    feed = {"image_size": 32, "batch_size": 2, "pipeline": pipeline, "lost": lost}
    model = mean_level_detector()
    model.compile("sgd", "mse")
    vanish = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: shutil.rmtree(data_dir / split, epoch > 0)
    )
    with (
        pytest.raises(LostImagesError, match=rf"The folder .*{split}/\w+ is gone"),
        lost.ending_readably(),
    ):
        model.fit(
            make_dataset(splits["train"], training=True, **feed),
            validation_data=make_dataset(splits["val"], training=False, **feed),
            epochs=100,
            steps_per_epoch=2,
            callbacks=[vanish],
            verbose=0,
        )


def lose_after_check(monkeypatch, module, accident):
    """Lets files be lost right after the check of a command."""

    def checked(*arguments, **keywords):
        splits = check_data_dir(*arguments, **keywords)
        accident(splits)
        return splits

    monkeypatch.setattr(module, "check_data_dir", checked)


def small_run(tmp_path, data_dir):
    return {
        "data_dir": str(data_dir),
        "model_save_path": str(tmp_path / "model.keras"),
        "log_dir": str(tmp_path / "logs"),
        "weights": None,
        "image_size": 32,
        "alpha": 0.35,
        "epochs": 1,
        "batch_size": 2,
        "cache_gb": 0,
        "verbose": 0,
    }


@pytest.mark.usefixtures("small_backbone", "eager_training")
def test_training_goes_on_without_lost_images(tmp_path, data_dir, monkeypatch):
    lost = []

    def accident(splits):
        for split in ("train", "val"):
            lost.append(str(splits[split].paths[0]))
            splits[split].paths[0].unlink()

    lose_after_check(monkeypatch, train_model, accident)
    _, history = train_model_v3(**small_run(tmp_path, data_dir))
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    with (tmp_path / "logs" / "quarantine.csv").open(newline="") as file:
        assert sorted(row["file"] for row in csv.DictReader(file)) == sorted(lost)


@pytest.mark.usefixtures("small_backbone")
def test_user_reads_one_line_when_the_data_is_gone(tmp_path, data_dir, monkeypatch):
    lose_after_check(monkeypatch, train_model, lambda _: shutil.rmtree(data_dir))
    words = [
        word
        for name, value in small_run(tmp_path, data_dir).items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    with pytest.raises(SystemExit) as ending:
        main(["train", *words])
    assert str(ending.value).startswith("error: The folder ")
    assert "network drive" in str(ending.value)
    assert "\n" not in str(ending.value)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_evaluation_leaves_lost_images_out(tmp_path, pipeline, monkeypatch):
    levels = {"val": (10, 60, 90, 200), "test": (20, 70, 100, 210)}
    for split in ("train", *levels):
        for name, chosen in (("real", slice(0, 2)), ("fake", slice(2, 4))):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for level in levels.get(split, (1, 2, 3, 4))[chosen]:
                Image.new("RGB", (32, 32), (level,) * 3).save(folder / f"{level}.png")
    mean_level_detector().save(tmp_path / "model.keras")
    lose_after_check(
        monkeypatch, evaluate_model, lambda splits: splits["test"].paths[-1].unlink()
    )
    monkeypatch.setattr(evaluate_model, "load_detector", keras.models.load_model)
    evaluate_model_v3(
        model_path=str(tmp_path / "model.keras"),
        data_dir=str(tmp_path / "data"),
        reports_dir=str(tmp_path / "reports"),
        generate_plots=False,
        robustness_images=0,
        batch_size=2,
        pipeline=pipeline,
    )
    results = json.loads((tmp_path / "reports" / "evaluation.json").read_text())
    assert results["counts"] == {"val": 4, "test": 3}
    assert results["lost"] == {"val": 0, "test": 1}
    expected = compute_metrics(np.array([0, 0, 1]), np.array([20, 70, 100]) / 255)
    assert results["default_threshold"] == pytest.approx(expected, abs=1e-5)
