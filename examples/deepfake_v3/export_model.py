"""Exports a detector, and lets each file prove itself on real images."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from examples.deepfake_v3.detector import Detector
from examples.deepfake_v3.exporting.formats import (
    FORMATS,
    check_format,
    inference_copy,
    write_exported,
)
from examples.deepfake_v3.exporting.parity import (
    ParityError,
    compare,
    find_faults,
    relative_speed,
    size_of,
)
from examples.deepfake_v3.files.files import check_writable, replacing
from examples.deepfake_v3.loading.data import ImageList, check_data_dir
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.loading.pipeline import make_dataset
from examples.deepfake_v3.options.export import ExportConfig
from examples.deepfake_v3.runtimes.facts import as_texts
from examples.deepfake_v3.runtimes.opened import Run

BATCH_SIZES = (1, 32)


def export_model_v3(config: ExportConfig | None = None, **overrides: Any) -> dict:
    """Exports a detector, and compares each file with Keras on real images.

    A file is written from a float32 copy of the model, run in its own runtime, and
    given its name only if it keeps what its format promises (`parity.find_faults`).

    Args:
        config: The options; None for the defaults.
        **overrides: Single options that replace those of `config`.

    Returns:
        What `{model}_export.json` in `output_dir` holds: the threshold, how many images
        were compared, and for each format the path, bytes, the results of `compare`,
        the speed at both batch sizes and the faults.

    Raises:
        ValueError: If a format cannot be written on this backend, or an option is out
            of range; nothing was written.
        ImportError: If a package is missing; nothing was written.
        FileNotFoundError: If there is no model or directory where one is named.
        ParityError: If a file does not keep its promise, after all were tried and the
            report was written. The file is not kept.
    """
    config = dataclasses.replace(config or ExportConfig(), **overrides)
    for name in config.formats:
        check_format(name)
    detector = Detector.load(config.model_path)
    output_dir, stem = Path(config.output_dir), Path(config.model_path).stem
    check_writable(output_dir)
    splits = ("val", "test") if "litert-int8" in config.formats else ("test",)
    report_path = output_dir / "quarantine.csv"
    lists = check_data_dir(config.data_dir, splits, report_path)
    size = detector.metadata.image_size
    images, labels = _read(lists["test"], config.images, size)
    calibration = None
    if "val" in lists:
        calibration, _ = _read(lists["val"], config.calibration_images, size)

    copy = inference_copy(detector.model)
    expected = copy.predict(images, batch_size=BATCH_SIZES[-1], verbose=0)[:, 0]
    threshold = detector.metadata.threshold
    report: dict[str, Any] = {
        "model_path": str(config.model_path),
        "data_dir": str(config.data_dir),
        "images": len(images),
        "batch_sizes": BATCH_SIZES,
        "threshold": threshold,
        "class_names": detector.metadata.class_names,
        "value_range": detector.metadata.value_range,
        "float32_copy": _beside_itself(detector, copy, images, expected),
        "formats": {},
    }
    for name in dict.fromkeys(config.formats):
        path = output_dir / f"{stem}{FORMATS[name].ending}"
        row: dict[str, Any] = {"path": str(path)}
        report["formats"][name] = row

        def prove(run: Run, name=name, row=row) -> None:
            row |= compare(run, images, expected, threshold, BATCH_SIZES, labels)
            row["speed"] = [
                relative_speed(copy, run, images[:batch_size], config.rounds)
                for batch_size in BATCH_SIZES
                if config.rounds
            ]
            row["faults"] = find_faults(name, row)
            if row["faults"]:
                raise ParityError("; ".join(row["faults"]))

        try:
            texts = as_texts(detector.metadata)
            write_exported(copy, path, name, calibration, prove, texts)
            row["bytes"] = size_of(path)
        except ParityError:
            row |= {"path": None, "bytes": None}
        print(_line(name, row), flush=True)
    json_path = output_dir / f"{stem}_export.json"
    with replacing(json_path) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Saved {json_path}.")
    faults = {
        name: "; ".join(row["faults"])
        for name, row in report["formats"].items()
        if row["faults"]
    }
    if faults:
        raise ParityError(
            "Not what Keras says, and so not kept: "
            + "; ".join(f"{name}, {fault}" for name, fault in faults.items())
            + f". {json_path} has the numbers. Received: model_path="
            f"{config.model_path!r}, {len(images)} images of {config.data_dir}"
        )
    return report


def _read(
    images: ImageList, count: int, image_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Crops of about `count` images as uint8, and their labels."""
    lost = LostImages(replaced=False)
    dataset = make_dataset(
        images.limited(count // 2, seed=0),
        image_size=image_size,
        batch_size=BATCH_SIZES[-1],
        training=False,
        pipeline="grain",
        lost=lost,
    )
    with lost.ending_readably():
        pixels, labels, weights = (
            np.concatenate(parts) for parts in zip(*dataset, strict=True)
        )
    return pixels[weights > 0], labels[weights > 0].astype(int)


def _beside_itself(detector, copy, images, expected) -> dict[str, float]:
    """What computing in float32 changes, which it does for models in 16 bits."""
    model = detector.model
    found = compare(
        model.predict_on_batch,
        images,
        expected,
        detector.metadata.threshold,
        BATCH_SIZES[-1:],
    )
    del found["auc"]
    return found


def _line(name: str, row: dict[str, Any]) -> str:
    """One line of the printed table."""
    size = f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] else "not kept"
    speed = ", ".join(f"{each['speed']:.2f}x" for each in row["speed"]) or "not timed"
    difference, auc = row["largest_difference"], row["auc"]["file"]
    return (
        f"{name:<15} {size:>9}  largest difference "
        f"{_number(difference, '.1e')}  "
        f"agreement {row['agreement']:.2%}  "
        f"AUC {_number(auc, '.4f')} of {row['auc']['keras']:.4f}  "
        f"speed {speed}"
    )


def _number(value: float | None, form: str) -> str:
    return "none" if value is None else format(value, form)
