"""Metrics, threshold and figures, against oracles in plain Python."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from examples.deepfake_v3 import evaluate_model
from examples.deepfake_v3.evaluate_model import (
    EvaluateConfig,
    compute_metrics,
    evaluate_model_v3,
    find_optimal_threshold,
)
from examples.deepfake_v3.figures import save_figures

CRITERIA = ("f1", "youden", "balanced")
SIZE = 32
# Worked by hand: at 0.5, two of three real and three of four fake are right.
LABELS = np.array([0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.3, 0.8, 0.2, 0.5, 0.7, 0.9])


@st.composite
def labels_and_scores(draw):
    """Both classes, and scores with ties, neighbouring floats and both ends."""
    score = st.sampled_from([0.0, 0.25, 0.5, np.nextafter(0.5, 1), 0.75, 1.0])
    score = score | st.floats(0, 1)
    pairs = draw(st.lists(st.tuples(st.integers(0, 1), score), max_size=12))
    pairs += [(0, draw(score)), (1, draw(score))]
    labels, scores = zip(*draw(st.permutations(pairs)), strict=True)
    return np.array(labels), np.array(scores)


def quality(labels, scores, threshold, criterion) -> Fraction:
    """The criterion in exact arithmetic; more is better."""
    called = scores >= threshold
    tp = int(sum(called & (labels == 1)))
    fp = int(sum(called & (labels == 0)))
    positives, negatives = int(sum(labels == 1)), int(sum(labels == 0))
    recall, specificity = Fraction(tp, positives), 1 - Fraction(fp, negatives)
    if criterion == "f1":
        return Fraction(2 * tp, tp + fp + positives)
    if criterion == "youden":
        return recall + specificity - 1
    return -abs(recall - specificity)


# compute_metrics


def test_metrics_at_a_threshold_match_those_worked_by_hand():
    metrics = compute_metrics(LABELS, SCORES)
    counts = {
        "true_negatives": 2,
        "false_positives": 1,
        "false_negatives": 1,
        "true_positives": 3,
    }
    assert metrics.items() >= counts.items()
    assert metrics["threshold"] == 0.5
    assert metrics["accuracy"] == pytest.approx(5 / 7)
    assert metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert metrics["precision"] == pytest.approx(3 / 4)
    assert metrics["recall"] == pytest.approx(3 / 4)
    assert metrics["specificity"] == pytest.approx(2 / 3)
    assert metrics["f1_score"] == pytest.approx(3 / 4)


def test_threshold_free_metrics_match_those_worked_by_hand():
    metrics = compute_metrics(LABELS, SCORES)
    # Of 12 (real, fake) pairs, the fake one scores higher in 8.
    assert metrics["auc_roc"] == pytest.approx(8 / 12)
    # Precision at each fake, from the highest score down: 1/1, 2/3, 3/4, 4/6.
    assert metrics["auc_pr"] == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
    squares = [0.01, 0.09, 0.64, 0.64, 0.25, 0.09, 0.01]
    assert metrics["brier"] == pytest.approx(sum(squares) / 7)


def test_a_score_at_the_threshold_is_called_fake():
    metrics = compute_metrics([0, 1], [0.25, 0.25], threshold=0.25)
    assert (metrics["false_positives"], metrics["true_positives"]) == (1, 1)


def test_precision_is_zero_when_nothing_is_called_fake():
    assert compute_metrics([0, 1], [0.1, 0.2])["precision"] == 0


@given(labels_and_scores())
def test_auc_is_the_share_of_pairs_in_order_with_ties_counted_half(data):
    labels, scores = data
    pairs = [
        (f > r) + (f == r) / 2 for f in scores[labels == 1] for r in scores[labels == 0]
    ]
    assert compute_metrics(*data)["auc_roc"] == pytest.approx(np.mean(pairs))


def test_calibration_error_is_the_weighted_gap_in_15_bins_of_equal_width():
    rng = np.random.default_rng(0)
    # Few images, so that the gaps differ in sign and depend on the bins.
    scores, labels = rng.uniform(size=60), rng.integers(2, size=60)
    expected = 0
    for index in range(15):
        inside = (scores > index / 15) & (scores <= (index + 1) / 15)
        assert inside.any()
        gap = abs(scores[inside].mean() - labels[inside].mean())
        expected += inside.mean() * gap
    assert compute_metrics(labels, scores)["ece"] == pytest.approx(expected)


def test_calibration_error_counts_scores_of_exactly_0_and_1():
    assert compute_metrics([1, 0, 1, 0], [0, 0, 1, 1])["ece"] == pytest.approx(0.5)


def test_columns_give_the_same_metrics_as_vectors():
    columns = compute_metrics(LABELS[:, None], SCORES[:, None])
    assert columns == compute_metrics(LABELS, SCORES)


def test_metrics_can_be_written_as_json():
    metrics = compute_metrics(LABELS, SCORES.astype("float32"))
    assert json.loads(json.dumps(metrics)) == metrics


@pytest.mark.parametrize("function", [compute_metrics, find_optimal_threshold])
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.1, 0.2, 0.3], r"same length.*2 labels and 3 scores"),
        ([[0, 1]], [0.1, 0.2], r"`y_true` must have shape \(n,\).*\(1, 2\)"),
        ([0, 1], [[0.1, 0.2]], r"`y_score` must have shape \(n,\).*\(1, 2\)"),
        ([0, 1, 2], [0.1, 0.2, 0.3], r"`y_true` must hold only 0.*\[0, 1, 2\]"),
        ([0, 0.5], [0.1, 0.2], r"`y_true` must hold only 0.*0\.5"),
        ([1, 1], [0.1, 0.2], r"`y_true` must hold both real.*only \[1\]"),
        ([], [], r"`y_true` must hold both real.*only \[\]"),
        ([0, 1], [0.1, np.nan], r"`y_score` must hold finite.*1 others.*nan"),
        ([0, 1], [-0.1, 2.5], r"`y_score`.*sigmoid.*2 others, such as -0\.1"),
    ],
)
def test_unusable_labels_and_scores_are_named(function, labels, scores, message):
    with pytest.raises(ValueError, match=message):
        function(labels, scores)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_a_threshold_outside_0_to_1_is_an_error(threshold):
    with pytest.raises(ValueError, match=rf"`threshold`.*threshold={threshold}"):
        compute_metrics(LABELS, SCORES, threshold)


# find_optimal_threshold


@given(labels_and_scores(), st.sampled_from(CRITERIA))
def test_no_threshold_is_better_than_the_one_found(data, criterion):
    labels, scores = data
    found = find_optimal_threshold(labels, scores, criterion)
    every_cut = [*scores, np.inf]
    best = max(quality(labels, scores, cut, criterion) for cut in every_cut)
    assert quality(labels, scores, found, criterion) == best


@given(labels_and_scores(), st.sampled_from(CRITERIA))
def test_the_threshold_is_halfway_between_neighbouring_scores(data, criterion):
    labels, scores = data
    found = find_optimal_threshold(labels, scores, criterion)
    below = max(scores[scores < found], default=0)
    above = min(scores[scores >= found])
    assert found in (below + (above - below) / 2, above)
    if found == above:  # neighbouring floats, or a score of 0
        assert above == 0 or above == np.nextafter(below, 1)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("f1", 0.15),  # F1 4/5; 3/4 at 0.35 and 2/3 at 0.55
        ("youden", 0.55),  # J 1/2; 5/12 at 0.35 and 1/3 at 0.15
        ("balanced", 0.35),  # recall 3/4 and specificity 2/3
    ],
)
def test_each_criterion_finds_its_own_threshold(criterion, expected):
    labels, scores = [0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert find_optimal_threshold(labels, scores, criterion) == pytest.approx(expected)


def test_of_equally_good_thresholds_the_one_nearest_to_a_half_is_taken():
    # Youden's J is 1/2 at 0.2 and at 0.6.
    labels, scores = [0, 1, 0, 1], [0.1, 0.3, 0.5, 0.7]
    assert find_optimal_threshold(labels, scores, "youden") == pytest.approx(0.6)


def test_an_unknown_criterion_is_named():
    with pytest.raises(ValueError, match=r"f1, youden, balanced.*criterion='mcc'"):
        find_optimal_threshold(LABELS, SCORES, "mcc")


# save_figures


def test_figures_are_png_files_800_pixels_wide(tmp_path):
    paths = save_figures(LABELS, SCORES, 0.5, tmp_path / "new" / "figures")
    assert [path.name for path in paths] == [
        "confusion_matrix.png",
        "roc.png",
        "precision_recall.png",
        "calibration.png",
        "score_distribution.png",
    ]
    for path in paths:
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.size) == ("PNG", (800, 600))


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_figures_are_drawn_when_all_or_nothing_is_called_fake(tmp_path, threshold):
    assert len(save_figures(LABELS, SCORES, threshold, tmp_path)) == 5


# evaluate_model_v3


def save_brightness_model(path, bias=0.0):
    """Saves a model whose score is the mean grey level / 255, shifted by `bias`."""
    images = keras.Input((SIZE, SIZE, 3))
    grey = keras.layers.GlobalAveragePooling2D()(images)
    score = keras.layers.Dense(1, "relu", name="score")(grey)
    model = keras.Model(images, score)
    model.get_layer("score").set_weights(
        [np.full((3, 1), 1 / 765, "float32"), np.array([bias], "float32")]
    )
    model.save(path)


def write_images(directory, grey_levels):
    """Flat images: `{"val": ([real levels], [fake levels]), …}`."""
    for split, classes in grey_levels.items():
        for name, levels in zip(("real", "fake"), classes, strict=True):
            folder = directory / split / name
            folder.mkdir(parents=True)
            for index, level in enumerate(levels):
                image = np.full((SIZE, SIZE, 3), level, np.uint8)
                Image.fromarray(image).save(folder / f"{index}.png")


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
        "threshold_criterion": "f1",
        "generate_plots": True,
        "pipeline": "auto",
    }
