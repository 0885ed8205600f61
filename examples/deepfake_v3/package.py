"""A folder that is ready to be uploaded to a model hub."""

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.deepfake_v3.cards.model_card import (
    card_path,
    join_card,
    last_part,
    replace_section,
    split_card,
)
from examples.deepfake_v3.errors import InputError, NotThereError, TakenError
from examples.deepfake_v3.files.files import check_writable
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.model_files.metadata import hash_weights, read_metadata
from examples.deepfake_v3.options.package import PackageConfig

CARD = "README.md"  # as hubs call it

# Of evaluation.json.
PUBLISHED = (
    "weights_sha256",
    "counts",
    "lost",
    "threshold_criterion",
    "default_threshold",
    "optimal_threshold",
    "calibration",
    "robustness",
)

LICENCE_NOTE = """\
# Licence

The weights in {model} are published under: {license}.

They were computed from images and, unless the card says otherwise, from weights of
other authors, whose terms may ask for more. README.md names the data.

The code that runs them, keras_forensics and its example, is under Apache-2.0.
"""


def package_model(config: PackageConfig | None = None, **overrides: Any) -> Path:
    """Makes the folder, whole or not at all.

    It holds nothing else than is needed: no names of images or of folders on this
    machine, and none of the worst errors, which are images of other people.

    Args:
        config: The options.
        **overrides: Fields of `PackageConfig` by name.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder exists.
        FileNotFoundError: If the model, its card or its evaluation is missing.
        OSError: If the folder cannot be written.
        ValueError: If the model carries no metadata, or the evaluation is of another.
        TypeError: If an override is no field of `PackageConfig`.
    """
    config = (
        dataclasses.replace(config, **overrides)
        if config
        else PackageConfig(**overrides)
    )
    output_dir = Path(config.output_dir)
    if output_dir.exists():
        raise TakenError(
            "`output_dir` must be a new folder, so that nothing else is uploaded with "
            f"the model. Received: output_dir={config.output_dir!r}, which exists"
        )
    model_path = Path(config.model_path)
    load_detector(model_path)
    read_metadata(model_path)
    results = _read_evaluation(config)
    card = card_path(model_path)
    if not card.is_file():
        raise NotThereError(
            f"There is no model card at {card}. `evaluate` writes one: python -m "
            f"examples.deepfake_v3 evaluate --model-path {model_path}"
        )
    check_writable(output_dir.parent)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=output_dir.parent))
    try:
        model_name = f"{card.stem}.keras"  # as the card calls it
        shutil.copyfile(model_path, partial / model_name)
        head, body = split_card(card.read_text("utf-8"))
        head["license"] = config.license
        if config.datasets:
            head["datasets"] = list(config.datasets)
        licence = f"{config.license}; see LICENSE.md.\n"
        body = replace_section(body, "licence", licence)
        (partial / CARD).write_text(join_card(head, body), "utf-8")
        (partial / "LICENSE.md").write_text(
            LICENCE_NOTE.format(model=model_name, license=config.license)
        )
        (partial / "evaluation.json").write_text(
            json.dumps(_published(results), indent=2) + "\n"
        )
        (partial / "figures").mkdir()
        for figure in _figures(config, results):
            shutil.copyfile(figure, partial / "figures" / figure.name)
        partial.chmod(0o755)  # mkdtemp keeps others out
        partial.rename(output_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(f"{output_dir} is ready to be uploaded. Read {CARD} before you do.")
    return output_dir


def _read_evaluation(config: PackageConfig) -> dict[str, Any]:
    path = Path(config.reports_dir) / "evaluation.json"
    again = f"python -m examples.deepfake_v3 evaluate --model-path {config.model_path}"
    if not path.is_file():
        raise NotThereError(
            f"`reports_dir` must hold the evaluation of the model: {again}. Received: "
            f"reports_dir={config.reports_dir!r}, without evaluation.json"
        )
    results = json.loads(path.read_text("utf-8"))
    if results.get("weights_sha256") != hash_weights(config.model_path):
        raise InputError(
            f"{path} is the evaluation of other weights. Evaluate these: {again}. "
            f"Received: model_path={config.model_path!r}"
        )
    missing = [str(path) for path in _figures(config, results) if not path.is_file()]
    if missing:
        raise NotThereError(
            f"`reports_dir` must hold the figures of the evaluation: {again}. "
            f"Received: reports_dir={config.reports_dir!r}, without "
            f"{', '.join(missing)}"
        )
    return results


def _figures(config: PackageConfig, results: Mapping[str, Any]) -> list[Path]:
    folder = Path(config.reports_dir) / "figures"
    return [folder / Path(figure).name for figure in results["figures"]]


def _published(results: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation without names of images, and with the last part of each path."""
    intervals = results["intervals"]
    return {
        "data_dir": last_part(results["data_dir"]),
        **{name: results[name] for name in PUBLISHED},
        "intervals": {**intervals, "group_source": _part(intervals["group_source"])},
        "cross_data": [
            {
                **row,
                "data_dir": last_part(row["data_dir"]),
                "group_source": _part(row["group_source"]),
            }
            for row in results["cross_data"]
        ],
    }


def _part(path: str) -> str:
    return last_part(path) if path else ""
