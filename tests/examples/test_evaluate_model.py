"""The command: what is chosen on val, reported on test and written."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from examples.deepfake_v3 import evaluate_model
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.evaluation.metrics import compute_metrics
from examples.deepfake_v3.options.evaluate import EvaluateConfig
from test_support.brightness import save_brightness_model, write_images


@pytest.fixture
def job(tmp_path):
    """A model, val split best cut at 0.3, test split best cut at 0.8."""
    save_brightness_model(tmp_path / "model.keras")
    write_images(
        tmp_path / "data",
        {
            "val": ([25, 51], [102, 104, 230]),
            "test": ([26, 52, 178], [103, 229, 231]),
        },
    )
    return {
        "model_path": str(tmp_path / "model.keras"),
        "data_dir": str(tmp_path / "data"),
        "reports_dir": str(tmp_path / "reports"),
        "robustness_images": 0,
    }


@pytest.mark.backends
def test_metrics_are_those_of_the_test_split(job):
    results = evaluate_model_v3(**job)
    scores = np.array([26, 52, 178, 103, 229, 231]) / 255
    expected = compute_metrics([0, 0, 0, 1, 1, 1], scores)
    assert results["default_threshold"] == pytest.approx(expected, rel=1e-5)
    assert results["counts"] == {"val": 5, "test": 6}
    assert results["model_path"] == job["model_path"]
    assert results["data_dir"] == job["data_dir"]


def test_the_threshold_is_chosen_on_val_and_applied_to_test(job):
    results = evaluate_model_v3(**job, generate_plots=False)
    optimal = results["optimal_threshold"]
    assert optimal["threshold"] == pytest.approx((51 + 102) / 2 / 255, rel=1e-5)
    # Perfect on val; on test one real image scores above it.
    assert (optimal["false_positives"], optimal["true_positives"]) == (1, 3)


@pytest.mark.parametrize(
    ("gone", "said", "wrong"),
    [("fake", "False alarms", 1), ("real", "Misses", 0)],
)
def test_a_test_split_of_one_class_says_what_it_can(job, capsys, gone, said, wrong):
    shutil.rmtree(Path(job["data_dir"]) / "test" / gone)
    results = evaluate_model_v3(**job)
    assert results["wrong"] == len(results["worst_errors"]) == wrong
    assert results["called_right"]["value"] == pytest.approx(1 - wrong / 3)
    assert f"{said} at the threshold 0.3000: {wrong} of 3" in capsys.readouterr().out
    written = Path(job["reports_dir"]) / "one_class.json"
    assert json.loads(written.read_text()) == results
    assert not (written.parent / "evaluation.json").exists()


def test_another_data_set_of_one_class_is_a_row_of_what_is_known(job, tmp_path):
    write_images(tmp_path / "other", {"test": ([30, 60, 200], [1])})
    shutil.rmtree(tmp_path / "other/test/fake")
    results = evaluate_model_v3(
        **job, test_dirs=(str(tmp_path / "other"),), generate_plots=False
    )
    metrics = results["cross_data"][1]["metrics"]
    assert metrics.keys() == {"accuracy", "specificity"}
    assert metrics["specificity"]["value"] == pytest.approx(2 / 3)


def test_val_must_hold_both_classes(job):
    shutil.rmtree(Path(job["data_dir"]) / "val" / "fake")
    with pytest.raises(FileNotFoundError, match="val/fake is missing"):
        evaluate_model_v3(**job)


def test_the_criterion_is_passed_on_and_reported(job, monkeypatch):
    asked = []

    def recorded(y_true, y_score, criterion):
        asked.append(criterion)
        return 0.25

    monkeypatch.setattr(evaluate_model, "find_optimal_threshold", recorded)
    results = evaluate_model_v3(
        **job, threshold_criterion="youden", generate_plots=False
    )
    assert asked == [results["threshold_criterion"]] == ["youden"]
    assert results["optimal_threshold"]["threshold"] == 0.25


def test_without_optimize_threshold_there_is_only_the_default_one(job):
    results = evaluate_model_v3(**job, optimize_threshold=False, generate_plots=False)
    assert results["optimal_threshold"] is None
    assert results["default_threshold"]["threshold"] == 0.5


def test_the_report_on_disk_is_what_is_returned(job, tmp_path):
    results = evaluate_model_v3(**job)
    report = json.loads((tmp_path / "reports" / "evaluation.json").read_text())
    assert report == results
    folder = tmp_path / "reports" / "figures"
    assert sorted(results["figures"]) == sorted(str(path) for path in folder.iterdir())
    assert len(results["figures"]) == 5


def test_unreadable_files_are_left_out_and_listed(job, tmp_path):
    broken = tmp_path / "data" / "test" / "fake" / "broken.png"
    broken.write_bytes(b"no image")
    results = evaluate_model_v3(**job, generate_plots=False)
    assert results["counts"]["test"] == 6
    assert str(broken) in (tmp_path / "reports" / "quarantine.csv").read_text()


def test_no_figures_are_drawn_when_not_asked_for(job, tmp_path):
    results = evaluate_model_v3(**job, generate_plots=False)
    assert results["figures"] == []
    assert not (tmp_path / "reports" / "figures").exists()


def test_a_failed_write_keeps_the_previous_report(job, tmp_path, monkeypatch):
    evaluate_model_v3(**job, generate_plots=False)
    before = (tmp_path / "reports" / "evaluation.json").read_text()

    def fails_halfway(path, text):
        with path.open("w") as file:
            file.write(text[: len(text) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", fails_halfway)
    with pytest.raises(OSError, match="disk full"):
        evaluate_model_v3(**job, optimize_threshold=False, generate_plots=False)
    assert (tmp_path / "reports" / "evaluation.json").read_text() == before


def test_overrides_replace_single_options_of_a_config(job):
    config = EvaluateConfig(**job, generate_plots=False, threshold_criterion="balanced")
    results = evaluate_model_v3(config, optimize_threshold=False)
    assert results["optimal_threshold"] is None
    assert results["threshold_criterion"] == "balanced"


def test_the_summary_is_printed(job, capsys):
    evaluate_model_v3(**job, generate_plots=False)
    printed = capsys.readouterr().out
    assert "default        0.500    0.6667" in printed
    assert "optimal        0.300    0.8333" in printed
    assert "evaluation.json" in printed


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="treshold"):
        evaluate_model_v3(treshold=0.3)


def test_a_missing_model_is_named(tmp_path):
    path = tmp_path / "none.keras"
    with pytest.raises(FileNotFoundError, match=r"model_path.*none\.keras.*Train one"):
        evaluate_model_v3(model_path=str(path))


def test_an_unknown_criterion_is_refused_before_anything_is_loaded():
    with pytest.raises(ValueError, match="threshold_criterion='mcc'"):
        evaluate_model_v3(threshold_criterion="mcc", model_path="none.keras")


def test_a_model_that_gives_no_probability_is_refused(job):
    save_brightness_model(job["model_path"], bias=2.0)
    with pytest.raises(ValueError, match=r"`y_score` must hold finite probabilities"):
        evaluate_model_v3(**job)


def test_defaults_are_the_documented_ones():
    assert dataclasses.asdict(EvaluateConfig()) == {
        "model_path": "models/deepfake_detector_v3_final.keras",
        "data_dir": "data/processed",
        "reports_dir": "reports",
        "batch_size": 48,
        "optimize_threshold": True,
        "threshold_criterion": "youden",
        "generate_plots": True,
        "robustness_images": 250,
        "test_dirs": (),
        "compare_to": None,
        "pipeline": "auto",
    }
