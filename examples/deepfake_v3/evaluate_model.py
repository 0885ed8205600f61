"""Evaluate a detector: choose the threshold on `val`, report on `test`."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from examples.deepfake_v3.cards.model_card import add_evaluation
from examples.deepfake_v3.checks import check_criterion
from examples.deepfake_v3.demo_set import note_of
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.evaluation.calibration import (
    fit_temperature,
    is_at_end,
    measure_calibration,
)
from examples.deepfake_v3.evaluation.comparison import compare
from examples.deepfake_v3.evaluation.evidence import measure_evidence
from examples.deepfake_v3.evaluation.figures import draw_figures, save_figures
from examples.deepfake_v3.evaluation.logits import at_temperature
from examples.deepfake_v3.evaluation.metrics import (
    compute_metrics,
    find_optimal_threshold,
)
from examples.deepfake_v3.evaluation.robustness import measure_robustness
from examples.deepfake_v3.evaluation.scoring import Scored, Scorer
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import (
    CLASS_NAMES,
    ImageList,
    check_data_dir,
    missing_folders,
)
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.model_files.metadata import hash_weights
from examples.deepfake_v3.options.evaluate import EvaluateConfig
from examples.deepfake_v3.pages.card import find_worst_errors, judge, write_card


def evaluate_model_v3(
    config: EvaluateConfig | None = None, **overrides: Any
) -> dict[str, Any]:
    """Evaluates a trained detector on the test split.

    The threshold and the temperature are chosen on the validation split: chosen on the
    test split, they would flatter the detector.

    Args:
        config: The options; None for the defaults.
        **overrides: Single options that replace those of `config`, such as
            `model_path="models/mine.keras"`.

    Returns:
        What `evaluation.json` in `reports_dir` holds, and `card.html` shows:

        - "model_path", "weights_sha256" of the weights in it, "data_dir", "data_note"
          where it is the demo set, "counts" of
          images per split, "lost", how many others could no longer be read after the
          check and are left out.
        - "default_threshold" and "optimal_threshold": `compute_metrics` on test; the
          latter None without `optimize_threshold`. "threshold_criterion", and
          "threshold_on_val", what the threshold does on val.
        - "intervals": the same metrics with 95 % intervals, by threshold, and "test",
          how many images and clusters, and "group_source", where those come from.
        - "calibration": "temperature", and "before" and "after" it on test.
        - "robustness", or None without `robustness_images`.
        - "cross_data": a row for `data_dir` and one for each of `test_dirs`.
        - "comparison" with `compare_to`, or None.
        - "worst_errors" by class, "notes", "figures" and "card", their paths.

        Of a test split of one class, only what that can tell, as `one_class.json` holds
        it: "class", "threshold", "called_right" with its interval, "wrong", how many
        are false alarms or misses, and "counts", "notes" and "worst_errors".

    Raises:
        TypeError: If an override is not a field of `EvaluateConfig`.
        FileNotFoundError: If there is no model or directory where one is named.
        ValueError: If an option is out of range, or a model is no detector.
    """
    config = dataclasses.replace(config or EvaluateConfig(), **overrides)
    check_criterion("threshold_criterion", config.threshold_criterion)
    if config.robustness_images < 0:
        raise InputError(
            "`robustness_images` must be 0 or more. Received: "
            f"robustness_images={config.robustness_images}"
        )
    model = load_detector(config.model_path)
    other = (
        load_detector(config.compare_to, "compare_to") if config.compare_to else None
    )
    reports = Path(config.reports_dir)
    report_path = reports / "quarantine.csv"
    splits = check_data_dir(
        config.data_dir, ("val", "test"), report_path, one_class=("test",)
    )
    scorer = _scorer(config, config.data_dir, splits["test"], report_path)
    if len(np.unique(splits["test"].labels)) == 1:
        return _evaluate_one_class(config, model, scorer, splits)
    further = _check_test_dirs(config)

    test, val = scorer(model, splits["test"]), scorer(model, splits["val"])
    default = optimal = compute_metrics(test.labels, test.scores)
    if config.optimize_threshold:
        optimal = compute_metrics(test.labels, test.scores, _threshold(config, val))
    threshold = optimal["threshold"]
    temperature = fit_temperature(val.labels, val.scores)
    behind = measure_evidence(val.labels, val.scores, threshold)
    intervals = {
        name: test.measure(metrics["threshold"])
        for name, metrics in (
            ("default_threshold", default),
            ("optimal_threshold", optimal),
        )
    }

    figures = {}
    if config.generate_plots:
        calibrated = at_temperature(test.scores, temperature)
        figures = draw_figures(test.labels, test.scores, threshold, calibrated)
    figure_paths = save_figures(figures, reports / "figures") if figures else []
    results = {
        "model_path": str(config.model_path),
        "weights_sha256": hash_weights(config.model_path),
        "data_dir": str(config.data_dir),
        "data_note": note_of(config.data_dir),
        "counts": {"val": len(val), "test": len(test)},
        "default_threshold": default,
        "optimal_threshold": optimal if config.optimize_threshold else None,
        "threshold_criterion": config.threshold_criterion,
        "threshold_on_val": dataclasses.asdict(behind),
        "intervals": {
            "test": test.counts(),
            "group_source": scorer.group_source,
            "default_threshold": intervals["default_threshold"],
            "optimal_threshold": (
                intervals["optimal_threshold"] if config.optimize_threshold else None
            ),
        },
        "calibration": {
            "temperature": temperature,
            "at_end_of_range": is_at_end(temperature),
            "before": measure_calibration(test, 1.0),
            "after": measure_calibration(test, temperature),
        },
        "robustness": (
            measure_robustness(model, scorer, test, threshold, config.robustness_images)
            if config.robustness_images
            else None
        ),
        "cross_data": [
            _cross_data_row(directory, its_scorer, its_test, threshold)
            for directory, its_scorer, its_test in (
                (config.data_dir, scorer, test),
                *((d, s, s(model, images)) for d, s, images in further),
            )
        ],
        "comparison": (
            _compare(config, other, scorer, splits, test, threshold) if other else None
        ),
        "worst_errors": find_worst_errors(test, scorer, threshold),
        "figures": [str(path) for path in figure_paths],
        "card": str(reports / "card.html"),
    }
    # Counted at the end: each prediction reads the files anew.
    results["lost"] = {
        split: int(scorer.lost.marked(images).sum()) for split, images in splits.items()
    }
    weaknesses = behind.weaknesses() if config.optimize_threshold else []
    results["notes"] = judge(results) + weaknesses
    with replacing(reports / "evaluation.json") as partial:
        partial.write_text(json.dumps(results, indent=2) + "\n")
    write_card(
        results,
        figures,
        Path(config.data_dir),
        model.input_shape[1],
        reports / "card.html",
    )
    _print_summary(results)
    _add_to_card(config.model_path, model.input_shape[1], results)
    print(
        f"Saved {reports / 'card.html'} and {reports / 'evaluation.json'}"
        + (f", figures in {reports / 'figures'}" if figures else "")
        + f", unusable files in {report_path}."
    )
    return results


def _evaluate_one_class(
    config: EvaluateConfig,
    model: keras.Model,
    scorer: Scorer,
    splits: Mapping[str, ImageList],
) -> dict[str, Any]:
    """False alarms on real images alone, or misses of fake ones."""
    test, val = scorer(model, splits["test"]), scorer(model, splits["val"])
    threshold = _threshold(config, val)
    behind = measure_evidence(val.labels, val.scores, threshold)
    label = int(test.labels[0])
    right = test.measure(threshold)["accuracy"]
    errors = find_worst_errors(test, scorer, threshold)[CLASS_NAMES[label]]
    results = {
        "model_path": str(config.model_path),
        "weights_sha256": hash_weights(config.model_path),
        "data_dir": str(config.data_dir),
        "counts": test.counts(),
        "group_source": scorer.group_source,
        "class": CLASS_NAMES[label],
        "threshold": threshold,
        "threshold_criterion": config.threshold_criterion,
        "threshold_on_val": dataclasses.asdict(behind),
        "called_right": right,
        "wrong": errors["count"],
        "worst_errors": errors["images"],
        "notes": [
            f"Test holds {CLASS_NAMES[label]} images alone, so AUC, precision and the "
            f"share of {('misses', 'false alarms')[label]} are not known.",
            *(behind.weaknesses() if config.optimize_threshold else []),
        ],
    }
    path = Path(config.reports_dir) / "one_class.json"
    with replacing(path) as partial:
        partial.write_text(json.dumps(results, indent=2) + "\n")
    interval = (
        f" ({1 - right['high']:.1%} to {1 - right['low']:.1%})"
        if right["low"] is not None and right["high"] is not None
        else ""
    )
    print(
        f"{('False alarms', 'Misses')[label]} at the threshold {threshold:.4f}: "
        f"{errors['count']} of {len(test)} {CLASS_NAMES[label]} images, "
        f"{1 - right['value']:.1%}{interval}."
    )
    for note in results["notes"]:
        print(note)
    print(f"Saved {path}.")
    return results


def _scorer(
    config: EvaluateConfig, directory: str, images: ImageList, report_path: Path
) -> Scorer:
    return Scorer(
        directory,
        images,
        batch_size=config.batch_size,
        pipeline=config.pipeline,
        report_path=report_path,
    )


def _check_test_dirs(config: EvaluateConfig) -> list[tuple[str, Scorer, ImageList]]:
    """The further directories, their scorers and images."""
    further = []
    for number, directory in enumerate(config.test_dirs, 1):
        folders = [Path(directory) / "test" / name for name in CLASS_NAMES]
        missing = [folder for folder in folders if not folder.is_dir()]
        if len(missing) == len(folders):
            raise missing_folders("test_dirs", Path(directory), ("test",), missing)
        report_path = Path(config.reports_dir) / f"quarantine_{number}.csv"
        images = check_data_dir(directory, ("test",), report_path, one_class=("test",))[
            "test"
        ]
        further.append(
            (directory, _scorer(config, directory, images, report_path), images)
        )
    return further


def _threshold(config: EvaluateConfig, val: Scored) -> float:
    """The threshold by the rules of this run: best on val, or the default one."""
    if not config.optimize_threshold:
        return 0.5
    return find_optimal_threshold(val.labels, val.scores, config.threshold_criterion)


def _cross_data_row(
    directory: str, scorer: Scorer, test: Scored, threshold: float
) -> dict[str, Any]:
    return {
        "data_dir": str(directory),
        "group_source": scorer.group_source,
        "counts": test.counts(),
        "metrics": test.measure(threshold),
    }


def _compare(
    config: EvaluateConfig,
    other: keras.Model,
    scorer: Scorer,
    splits: Mapping[str, ImageList],
    test: Scored,
    threshold: float,
) -> dict[str, Any]:
    """Compares with another model, whose threshold is chosen as for this one."""
    other_test = scorer(other, splits["test"])
    other_threshold = _threshold(config, scorer(other, splits["val"]))
    # Where images were lost between the two, those that both have seen.
    both = set(test.paths) & set(other_test.paths)
    return {
        "model_path": str(config.compare_to),
        "threshold": other_threshold,
        "metrics": compare(
            test.only(both), other_test.only(both), (threshold, other_threshold)
        ),
    }


def _add_to_card(model_path: str, image_size: int, results: dict[str, Any]) -> None:
    """Writes the model card, which stands beside the model."""
    try:
        path = add_evaluation(model_path, image_size, results)
    except (OSError, ValueError) as error:  # all else is measured and written
        print(f"The model card is not up to date. {error}")
    else:
        print(f"Saved {path}, the model card.")


def _print_summary(results: dict[str, Any]) -> None:
    print("test       threshold  accuracy  recall  specificity  f1_score  auc_roc")
    for name in ("default", "optimal"):
        if metrics := results[f"{name}_threshold"]:
            print(
                f"{name:<10} {metrics['threshold']:9.3f} {metrics['accuracy']:9.4f} "
                f"{metrics['recall']:7.4f} {metrics['specificity']:12.4f} "
                f"{metrics['f1_score']:9.4f} {metrics['auc_roc']:8.4f}"
            )
