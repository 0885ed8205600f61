"""The model card: what a saved detector is, for those who did not train it.

A Markdown file beside the model, with a head in YAML, as model hubs read it. Training
writes it, evaluation adds what it has measured, and what people edit in it stays.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import jinja2
import keras
import numpy as np
import yaml

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.evaluation.intervals import DRAWS
from examples.deepfake_v3.evaluation.metrics import epoch_score
from examples.deepfake_v3.evaluation.scoring import Measured
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import CLASS_NAMES, ImageList
from examples.deepfake_v3.model_files.metadata import Metadata

# Names of the metrics: on the card, and as hubs call them.
TITLES = {
    "auc_roc": "AUC",
    "accuracy": "accuracy",
    "specificity": "accuracy on real",
    "recall": "accuracy on fake",
    "precision": "precision",
    "f1_score": "F1",
    "detection_at_1_percent": "fakes found at 1 % false alarms",
    "detection_at_5_percent": "fakes found at 5 % false alarms",
    "brier": "Brier score",
}
HUB_NAMES = {
    "auc_roc": "roc_auc",
    "accuracy": "accuracy",
    "recall": "recall",
    "precision": "precision",
    "f1_score": "f1",
    "brier": "brier_score",
}
TAGS = ["image-forensics", "deepfake-detection", "keras_forensics"]

SECTIONS = ("training", "evaluation", "limits")
NOT_KNOWN = "Not known."

# Options that decide no result, or that say where files are on somebody's machine.
UNTOLD = {
    "data_dir",
    "log_dir",
    "model_save_path",
    "model_path",
    "output_path",
    "force",
    "verbose",
    "cache_gb",
    "pipeline",
}


def card_path(model_path: str | Path) -> Path:
    """Where the card of a model is: beside it, as NAME.md.

    `NAME_best.keras`, which training leaves beside `NAME.keras`, holds the same weights
    and has the same card.
    """
    path = Path(model_path)
    return path.with_name(f"{path.stem.removesuffix('_best')}.md")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How a model was trained.

    Attributes:
        command: What trained it, such as "fine-tune".
        config: Its options, a dataclass.
        dtype_policy: Name of the policy it was trained under.
        images: The data, by split.
        stages: Logs of every epoch, by the stage's name.
        base: The model that training started from, whose card says how it was made.
    """

    command: str
    config: Any
    dtype_policy: str
    images: Mapping[str, ImageList]
    stages: Mapping[str, list[dict[str, float]]]
    base: str | Path | None = None


def write_training_card(
    model_path: Path, training: Training, metadata: Metadata
) -> None:
    """Writes the card of a model that has just been trained.

    An older card keeps what people wrote, and loses what was measured.

    Args:
        model_path: The model's file, beside which the card goes.
        training: How it was trained.
        metadata: What the model's file carries.
    """
    text = _describe_training(training, metadata)
    if training.base is not None:
        text = f"{_training_of(card_path(training.base))}\n\n{text}"
    new = _render(model_path, metadata.image_size, text, None)
    _write(card_path(model_path), new, SECTIONS)


def add_evaluation(
    model_path: str | Path, image_size: int, results: Mapping[str, Any]
) -> Path:
    """Writes what an evaluation has found into the card of a model.

    Args:
        model_path: The model's file. Without a card beside it, it gets one.
        image_size: Side of its input in pixels.
        results: What `evaluate_model_v3` returns.

    Returns:
        The card's file.
    """
    path = card_path(model_path)
    new = _render(model_path, image_size, NOT_KNOWN, results)
    _write(path, new, ("evaluation", "limits"))
    return path


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """The head and the body of a card; no head is an empty one.

    Raises:
        ValueError: If the head is no YAML mapping.
    """
    found = re.match(r"---\r?\n(.*?\n)---\r?\n", text, re.DOTALL)
    if not found:
        return {}, text
    try:
        head = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise InputError(f"The head of a model card must be YAML. {error}") from error
    if not isinstance(head, dict):
        raise InputError(
            f"The head of a model card must be a mapping. Received: {head!r}"
        )
    return head, text[found.end() :]


def join_card(head: Mapping[str, Any], body: str) -> str:
    """A card of a head and a body."""
    # Sorted, what matters most would not come first.
    dumped = yaml.safe_dump(dict(head), sort_keys=False, allow_unicode=True)
    return f"---\n{dumped}---\n{body}"


def replace_section(body: str, name: str, text: str) -> str:
    """The body with another text in a section, if it has that section."""
    return re.sub(
        _section(name),
        lambda found: found[1] + text + found[3],
        body,
        flags=re.DOTALL,
    )


def last_part(path: str) -> str:
    """The last part of a path, of whatever system, as one word of Markdown."""
    return re.sub(r"[`|\s]+", "_", PureWindowsPath(path).name or "data")


def chosen_metrics(results: Mapping[str, Any]) -> Mapping[str, Measured]:
    """The metrics with intervals at the threshold that an evaluation stands for."""
    intervals = results["intervals"]
    return intervals["optimal_threshold"] or intervals["default_threshold"]


def find_limits(results: Mapping[str, Any] | None) -> list[str]:
    """What a detector was not tested on, as sentences."""
    limits = []
    if results is None:
        limits.append("It has not been tested on anything.")
    else:
        limits += [results["data_note"]] if results.get("data_note") else []
        limits += _untested(results)
        limits += [_without_folders(note, results) for note in results["notes"]]
    return [
        *limits,
        "It knows the kinds of fakes that it was trained on. Others, and new "
        "generators, were not tested unless a table above names them.",
        "Whether it errs more often on some groups of people than on others was not "
        "tested, nor was what someone can do who wants to deceive it.",
        "A score is no proof, and a place that a picture of `explain` marks is none.",
    ]


def _untested(results: Mapping[str, Any]) -> list[str]:
    limits = []
    if results["robustness"] is None:
        limits.append(
            "No processed images were tested: how it does after compression, blur, "
            "scaling or noise, as on any social network, is not known."
        )
    else:
        first, *rows = results["robustness"]["rows"]
        worst = min(rows, key=lambda row: row["auc_roc"]["value"])
        limits.append(
            f"Processing costs accuracy: the AUC falls from "
            f"{first['auc_roc']['value']:.3f} to {worst['auc_roc']['value']:.3f} at "
            f"{worst['kind']} {worst['level']}. Several changes one after the other "
            "were not tested."
        )
    if len(results["cross_data"]) == 1:
        limits.append(
            "No other data set was tested. On images from elsewhere, expect it to be "
            "worse."
        )
    if not results["intervals"]["group_source"]:
        limits.append(
            "No groups were known: if one video or person is in training and in test, "
            "the numbers flatter it, and the intervals are too narrow."
        )
    return limits


def _without_folders(note: str, results: Mapping[str, Any]) -> str:
    for row in results["cross_data"]:
        note = note.replace(row["data_dir"], last_part(row["data_dir"]))
    return note


def _describe_training(training: Training, metadata: Metadata) -> str:
    config, stages = training.config, training.stages
    rows = [
        ("data", f"`{last_part(config.data_dir)}`: {_count(training.images)}"),
        ("fingerprint of the training images", f"`{metadata.training_data}`"),
        *(
            (
                f"stage `{name}`" if len(stages) > 1 else "result",
                "val AUC {:.4f} after epoch {} of {}".format(*_best(epochs)),
            )
            for name, epochs in stages.items()
        ),
        (
            "threshold and temperature",
            f"{metadata.threshold:.4f} ({metadata.threshold_criterion}) and "
            f"{metadata.temperature:.3f}, chosen on {metadata.val_images} val images",
        ),
        *(
            [("behind the threshold", metadata.evidence.describe())]
            if metadata.evidence
            else []
        ),
        (
            "made with",
            f"keras_forensics {metadata.package_version}, Keras "
            f"{metadata.keras_version} on {keras.backend.backend()}, "
            f"{training.dtype_policy}",
        ),
        (
            "options",
            ", ".join(
                f"{field.name} {_tell(field.name, getattr(config, field.name))}"
                for field in dataclasses.fields(config)
                if field.name not in UNTOLD
            ),
        ),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    table = "\n".join([f"| `{training.command}` | |", "|---|---|", *lines])
    doubts = [f"- **{sentence}**" for sentence in metadata.weaknesses()]
    return "\n\n".join([table, "\n".join(doubts)]) if doubts else table


def _tell(name: str, value: Any) -> str:
    # The file of the weights, without the folder that it is in.
    return last_part(value) if name == "weights" and value else str(value)


def _count(images: Mapping[str, ImageList]) -> str:
    counts = {
        split: np.bincount(listed.labels, minlength=2)
        for split, listed in images.items()
    }
    return "; ".join(
        f"{split} {real} {CLASS_NAMES[0]}, {fake} {CLASS_NAMES[1]}"
        for split, (real, fake) in counts.items()
    )


def _best(epochs: list[dict[str, float]]) -> tuple[float, int, int]:
    index = max(range(len(epochs)), key=lambda i: epoch_score(epochs[i]))
    return epochs[index]["val_auc"], index + 1, len(epochs)


def _training_of(path: Path) -> str:
    """How a model was trained, by its card."""
    text = path.read_text("utf-8") if path.is_file() else ""
    return _sections(text).get("training", NOT_KNOWN).strip()


def _render(
    model_path: str | Path,
    image_size: int,
    training: str,
    results: Mapping[str, Any] | None,
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(base=last_part, measured=_measured)
    name = card_path(model_path).stem
    metrics = results and (results["optimal_threshold"] or results["default_threshold"])
    body = environment.get_template("model_card.md").render(
        name=name,
        file=f"{name}.keras",
        image_size=image_size,
        training=training,
        results=results,
        chosen=chosen_metrics(results) if results else None,
        chosen_threshold=metrics and metrics["threshold"],
        titles=TITLES,
        draws=DRAWS,
        limits=find_limits(results),
    )
    head = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "license": "unknown",
        "tags": TAGS,
        **_measured_head(name, results),
    }
    return join_card(head, "\n" + body)


def _measured_head(name: str, results: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of the head that an evaluation decides."""
    if results is None:
        return {}
    chosen, data = chosen_metrics(results), last_part(results["data_dir"])
    return {
        "metrics": list(HUB_NAMES.values()),
        "model-index": [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": data, "type": data, "split": "test"},
                        "metrics": [
                            {
                                "type": hub_name,
                                "value": chosen[metric]["value"],
                                "name": f"{TITLES[metric]}{_interval(chosen[metric])}",
                            }
                            for metric, hub_name in HUB_NAMES.items()
                        ],
                    }
                ],
            }
        ],
    }


def _write(path: Path, new: str, sections: Collection[str]) -> None:
    """Writes a card, of an old one only the sections and the fields that are new."""
    if path.is_file():
        new = _merge(path.read_text("utf-8"), new, sections)
    with replacing(path) as partial:
        partial.write_text(new, "utf-8")


def _merge(old: str, new: str, sections: Collection[str]) -> str:
    old_head, old_body = split_card(old)
    new_head, new_body = split_card(new)
    written = _sections(new_body)
    for name in sections:
        old_body = replace_section(old_body, name, written[name])
    for field in ("metrics", "model-index"):
        old_head.pop(field, None)
    return join_card({**new_head, **old_head}, old_body)


def _sections(text: str) -> dict[str, str]:
    found = {name: re.search(_section(name), text, re.DOTALL) for name in SECTIONS}
    return {name: match[2] for name, match in found.items() if match}


def _section(name: str) -> str:
    return rf"(<!-- begin {name} -->\n)(.*?)(<!-- end {name} -->)"


def _measured(each: Measured) -> str:
    return f"{each['value']:.3f}{_interval(each)}"


def _interval(each: Measured) -> str:
    if each["low"] is None:
        return ""
    return f" ({each['low']:.3f} to {each['high']:.3f})"
