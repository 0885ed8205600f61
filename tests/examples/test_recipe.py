"""The whole recipe on a handful of rendered images, from training to figures."""

import csv
import json
import re
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3 import fine_tune, train_model
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.files.files import alone_in
from examples.deepfake_v3.fine_tune import fine_tune_v3, quick_fine_tune
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS, check_data_dir
from examples.deepfake_v3.loading.pipeline import make_dataset
from examples.deepfake_v3.mirror import with_mirror, without_mirror
from examples.deepfake_v3.model import build_model_v3, freeze_backbone
from examples.deepfake_v3.model_files.metadata import read_metadata
from examples.deepfake_v3.options.fine_tune import FineTuneConfig
from examples.deepfake_v3.options.train import Config
from examples.deepfake_v3.train_model import train_model_v3
from examples.deepfake_v3.training import stage as training
from examples.deepfake_v3.training import stages
from examples.deepfake_v3.training.checkpoint import forget_stages
from examples.deepfake_v3.training.stage import GATE_IMAGES
from test_support.eager_training import train_eagerly
from test_support.small_backbone import build_small_backbone
from tests.backend import run_python

pytestmark = pytest.mark.backends


@pytest.fixture(scope="module")
def recipe(demo_data, tmp_path_factory):
    """Trains, fine-tunes and evaluates once; the tests below look at the results.

    With a small backbone; the quickstart is run with MobileNetV2.
    """
    run = tmp_path_factory.mktemp("recipe")
    common = {
        "data_dir": str(demo_data),
        "log_dir": str(run / "logs"),
        "batch_size": 8,
        "verbose": 0,
    }
    estimated, written = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        # The model as it is before the first step.
        def save_first(model):
            freeze_backbone(model)
            model.save(run / "untrained.keras")

        # The last moment at which the states are there.
        def measure_first(log_dirs):
            files = [path for path in estimated if path.is_file()]
            written.update({path: path.stat().st_size for path in files})
            forget_stages(log_dirs)

        patch.setattr(keras.applications, "MobileNetV2", build_small_backbone)
        train_eagerly(patch)
        patch.setattr(train_model, "freeze_backbone", save_first)
        patch.setattr(training, "check_room", estimated.update)
        for module in (train_model, fine_tune):
            patch.setattr(module, "forget_stages", measure_first)
        model, history = train_model_v3(
            model_save_path=str(run / "models" / "detector.keras"),
            weights=None,
            image_size=64,
            alpha=0.35,
            epochs=2,
            **common,
        )
        tuned, all_history = fine_tune_v3(
            model_path=str(run / "models" / "detector_best.keras"),
            output_path=str(run / "models" / "detector_final.keras"),
            unfreeze=(6, None),
            learning_rates=(1e-4, 5e-5),
            epochs=(1, 1),
            **common,
        )
    results = evaluate_model_v3(
        model_path=str(run / "models" / "detector_final.keras"),
        data_dir=str(demo_data),
        reports_dir=str(run / "reports"),
    )
    return types.SimpleNamespace(
        run=run,
        common=common,
        model=model,
        history=history,
        tuned=tuned,
        all_history=all_history,
        results=results,
        estimated=estimated,
        written=written,
    )


def test_training_returns_its_history(recipe):
    assert {"loss", "accuracy", "auc", "val_auc"} <= recipe.history.keys()
    assert len(recipe.history["val_auc"]) == 2


def test_history_says_what_the_gate_does(recipe):
    detector = keras.models.load_model(recipe.run / "models" / "detector.keras")
    data_dir = recipe.common["data_dir"]
    images = check_data_dir(data_dir)["val"].limited(GATE_IMAGES, seed=0)
    dataset = make_dataset(images, image_size=64, batch_size=64, training=False)
    gate = keras.Model(detector.input, detector.get_layer("forensic_stream").output)
    values = ops.convert_to_numpy(gate(ops.convert_to_numpy(next(iter(dataset))[0])))
    scores = zip(recipe.history["val_auc"], recipe.history["val_loss"], strict=True)
    best = max(enumerate(scores), key=lambda each: (each[1][0], -each[1][1]))[0]
    assert recipe.history["gate_mean"][best] == pytest.approx(values.mean(), abs=1e-5)
    spread = values.std(axis=0).mean()
    assert recipe.history["gate_spread"][best] == pytest.approx(spread, abs=1e-5)
    assert 0 < spread < 0.5


def test_history_is_logged_as_csv(recipe):
    path = recipe.run / "logs" / "detector" / "history.csv"
    with path.open(newline="") as file:
        logged = [float(row["val_auc"]) for row in csv.DictReader(file)]
    assert logged == pytest.approx(recipe.history["val_auc"])


def test_every_model_file_is_whole_and_none_is_left_over(recipe):
    assert {path.name for path in (recipe.run / "models").iterdir()} == {
        "detector.keras",
        "detector_best.keras",
        "detector_final.keras",
        "detector_final_stage1.keras",
        "detector_final_stage2.keras",
        "detector.md",
        "detector_final.md",
    }
    assert not list(recipe.run.rglob("*partial*"))


def test_finished_runs_leave_no_state(recipe):
    assert not list((recipe.run / "logs").rglob("state.npz"))


def test_first_phase_does_not_move_the_backbone(recipe):
    moved = _moved(
        recipe.run / "models" / "detector_best.keras",
        recipe.run / "untrained.keras",
    )
    assert not any(name.startswith("backbone") for name in moved)
    assert any(name.startswith("forensic_stream") for name in moved)
    assert any(name.startswith("dense_512") for name in moved)


def test_fine_tuning_moves_the_backbone_with_its_statistics(recipe):
    moved = _moved(
        recipe.run / "models" / "detector_best.keras",
        recipe.run / "models" / "detector_final_stage2.keras",
    )
    first = convolutions(recipe.tuned)[0]
    assert any(first.kernel.path in name for name in moved)
    assert any("backbone" in name and "moving_mean" in name for name in moved)


def convolutions(model):
    """Those of the backbone but for the depthwise ones, from first to last."""
    layers = without_mirror(model).get_layer("backbone").layers
    return [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]


def _moved(path, other):
    """The layers, or paths in the backbone, whose weights differ in two files."""
    first, second = (keras.models.load_model(file) for file in (path, other))
    moved = set()
    for layer, twin in zip(first.layers, second.layers, strict=True):
        for ours, theirs in zip(layer.weights, twin.weights, strict=True):
            if not np.array_equal(
                ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
            ):
                moved.add(f"{layer.name}/{ours.path}")
    return moved


def test_fine_tuning_returns_the_history_of_each_stage(recipe):
    assert list(recipe.all_history) == ["stage1", "stage2"]
    assert all(len(h["val_auc"]) == 1 for h in recipe.all_history.values())


def test_final_model_is_the_best_of_all_stages(recipe):
    def score(history):
        return history["val_auc"][0], -history["val_loss"][0]

    best = max(recipe.all_history, key=lambda stage: score(recipe.all_history[stage]))
    files = recipe.run / "models"
    expected = keras.models.load_model(files / f"detector_final_{best}.keras")
    for ours, theirs in zip(recipe.tuned.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        )


def test_final_model_looks_at_the_mirror_image_too(recipe):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    once = without_mirror(recipe.tuned)
    looks = [once.predict(x, verbose=0) for x in (pixels, pixels[:, :, ::-1])]
    found = recipe.tuned.predict(pixels, verbose=0)
    np.testing.assert_allclose(found, np.mean(looks, axis=0), atol=1e-6)
    metadata = read_metadata(recipe.run / "models" / "detector_final.keras")
    gate = once.get_layer("forensic_stream").output
    assert len(metadata.usual_gate) == gate.shape[-1]


def test_fine_tuning_moves_the_backbone(recipe):
    start = keras.models.load_model(recipe.run / "models" / "detector_best.keras")
    before, after = (convolutions(model)[-1].kernel for model in (start, recipe.tuned))
    assert not np.array_equal(ops.convert_to_numpy(before), ops.convert_to_numpy(after))


def test_evaluation_reports_both_thresholds_and_writes_them(recipe):
    for threshold in ("default_threshold", "optimal_threshold"):
        assert {"accuracy", "auc_roc", "f1_score"} <= recipe.results[threshold].keys()
    written = json.loads((recipe.run / "reports" / "evaluation.json").read_text())
    assert written["default_threshold"] == recipe.results["default_threshold"]
    assert all(Path(figure).is_file() for figure in recipe.results["figures"])
    assert len(recipe.results["figures"]) == 5


LOAD = """
import os
import sys
import keras
import numpy as np
import keras_forensics
model = keras.models.load_model(os.environ["MODEL"])
np.save("scores.npy", model.predict(np.load("pixels.npy"), verbose=0))
assert not any(name.startswith("examples") for name in sys.modules)
"""


def test_saved_model_predicts_alike_in_a_process_that_knows_only_the_library(
    recipe, demo_data, tmp_path
):
    images = check_data_dir(demo_data)["test"]
    dataset = make_dataset(images, image_size=64, batch_size=8, training=False)
    pixels = np.concatenate([np.asarray(batch) for batch, *_ in dataset])
    np.save(tmp_path / "pixels.npy", pixels)
    model = recipe.run / "models" / "detector_final.keras"
    run_python(LOAD, cwd=tmp_path, MODEL=str(model))
    expected = recipe.tuned.predict(pixels, verbose=0)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)


@pytest.mark.usefixtures("eager_training")
def test_quick_fine_tune_is_one_stage(recipe, tmp_path):
    output = tmp_path / "quick.keras"
    model = quick_fine_tune(
        model_path=str(recipe.run / "models" / "detector_best.keras"),
        output_path=str(output),
        unfreeze=6,
        epochs=1,
        mirror=False,
        **(recipe.common | {"log_dir": str(tmp_path / "logs"), "pipeline": "grain"}),
    )
    assert isinstance(model, keras.Model)
    assert without_mirror(model) is model
    assert output.is_file()
    assert len(list((tmp_path / "logs").glob("*/history.csv"))) == 1


@pytest.fixture
def stages_of(demo_data, tmp_path, monkeypatch, small_backbone):
    """What is seen of the stages of fine-tuning a model, which trains in none."""

    def stages_of(model, see, **options):
        seen = []

        def train_stage(model, images, options, stage, lost):
            seen.append(see(model, stage))
            return [{"val_auc": stage.number / 10, "val_loss": 1.0}]

        monkeypatch.setattr(stages, "train_stage", train_stage)
        monkeypatch.setattr(fine_tune, "save_trained", lambda *args, **kwargs: None)
        path = tmp_path / "model.keras"
        model.save(path)
        fine_tune_v3(
            model_path=str(path),
            data_dir=str(demo_data),
            output_path=str(tmp_path / "final.keras"),
            log_dir=str(tmp_path / "logs"),
            unfreeze=(3, 6, None),
            **options,
        )
        return seen

    return stages_of


@pytest.mark.parametrize(
    ("freeze_batch_norm", "layers"), [(False, (2, 4, 8)), (True, (1, 2, 4))]
)
def test_each_stage_has_its_layers_and_rates(freeze_batch_norm, layers, stages_of):
    def see(model, stage):
        backbone = model.get_layer("backbone")
        trained = sum(bool(layer.trainable_weights) for layer in backbone.layers)
        lowest = min(stage.rate_multipliers.values())
        return stage.learning_rate, stage.epochs, trained, lowest

    # As an earlier fine-tuning leaves it.
    model = with_mirror(build_model_v3(weights=None, image_size=64, alpha=0.35))
    seen = stages_of(
        model, see, first_layer_rate=0.1, freeze_batch_norm=freeze_batch_norm
    )
    rates, epochs, trained, lowest = zip(*seen, strict=True)
    assert rates == (4e-4, 4e-4, 4e-4)
    assert epochs == (1, 1, 12)
    assert trained == layers  # convolutions, each with its normalisation if that learns
    assert 1 > lowest[0] > lowest[1] > lowest[2] >= 0.1


def test_stage_knows_the_model_it_started_from(stages_of):
    model = build_model_v3(weights=None, image_size=64, alpha=0.35)
    seen = []
    for change in (0.0, 0.0, 0.1):
        model.layers[-1].bias.assign_add([change])
        seen += stages_of(
            model, lambda _, stage: stage.initial_weights, run_all_stages=False
        )
    assert seen[0] == seen[1] != seen[2]


@pytest.fixture
def start(recipe, tmp_path, monkeypatch, small_backbone):
    """Starts either command, up to its look at the images."""

    def checking(*args, **kwargs):
        raise InterruptedError

    for module in (train_model, fine_tune):
        monkeypatch.setattr(module, "check_data_dir", checking)

    data = tmp_path / "data"
    for split in SPLITS:
        for name in CLASS_NAMES:
            (data / split / name).mkdir(parents=True)

    def start(command, models=tmp_path / "models", **options):
        options = {"data_dir": str(data), "log_dir": str(tmp_path / "logs")} | options
        if command == "train":
            path = str(models / "model.keras")
            train_model_v3(
                model_save_path=path, weights=None, image_size=64, alpha=0.35, **options
            )
        else:
            fine_tune_v3(
                model_path=str(recipe.run / "models" / "detector_best.keras"),
                output_path=str(models / "model.keras"),
                **options,
            )

    return start


@pytest.mark.parametrize("command", ["train", "fine-tune"])
def test_full_disk_is_an_error_before_the_images_are_looked_at(
    start, command, monkeypatch
):
    free = {"train": 200_000_000, "fine-tune": 520_000_000}[command]
    for count in (free, 1000):
        usage = types.SimpleNamespace(free=count)
        monkeypatch.setattr("shutil.disk_usage", lambda path, usage=usage: usage)
        expected = InterruptedError if count == free else OSError
        match = None if count == free else r"Too little room.* 1,000 are free"
        with pytest.raises(expected, match=match):
            start(command)


@pytest.mark.parametrize("command", ["train", "fine-tune"])
def test_unwritable_directory_is_an_error_before_the_images_are_looked_at(
    start, command, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"Cannot write in .*file/models"):
        start(command, models=tmp_path / "file" / "models")
    with pytest.raises(OSError, match=r"Cannot write in .*file/logs"):
        start(command, log_dir=str(tmp_path / "file" / "logs"))


@pytest.mark.parametrize("command", ["train", "fine-tune"])
def test_two_runs_do_not_write_in_one_log_directory(start, command, tmp_path):
    with (
        alone_in(tmp_path / "logs"),
        pytest.raises(OSError, match="Another run is writing in this log directory"),
    ):
        start(command)


def test_estimated_size_of_a_file_is_no_less_than_it_has(recipe):
    assert len(recipe.written) == 8  # three states, five models
    for path, size in recipe.written.items():
        assert 0.3 * recipe.estimated[path] < size <= recipe.estimated[path], path


def test_unknown_option_is_named():
    with pytest.raises(TypeError, match="learning_rte"):
        train_model_v3(learning_rte=1e-3)


@pytest.mark.parametrize("epochs", [(5, 5), 5, ()])
def test_stages_of_different_number_are_refused(epochs):
    with pytest.raises(ValueError, match=rf"epochs={re.escape(str(epochs))}"):
        FineTuneConfig(epochs=epochs)


def test_defaults_are_those_of_the_recipe():
    config = Config()
    assert (config.epochs, config.batch_size, config.label_smoothing) == (15, 64, 0.1)
    tuning = FineTuneConfig()
    assert tuning.unfreeze == (30, 80, None)
    assert tuning.learning_rates == (4e-4, 4e-4, 4e-4)
    assert (tuning.epochs, tuning.batch_size) == ((1, 1, 12), 48)
