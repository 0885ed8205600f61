"""Results as JSON: what was measured, on what machine, with which versions."""

import importlib.metadata
import json
import os
import platform
import shlex
import sys
from pathlib import Path

import keras

from examples.deepfake_v3.files.files import replacing

PACKAGES = ("keras", "numpy", "tensorflow", "jax", "torch", "scikit-learn", "pillow")


def write_result(
    path: str | Path,
    *,
    title: str,
    what: str,
    columns: list[str],
    rows: list[list],
    notes: str | list[str] = "",
    **details,
) -> None:
    """Writes one table, with what is needed to measure it again.

    Args:
        path: JSON file under `benchmarks/results`.
        title: Heading of the table.
        what: What was measured, and how, in a sentence or two.
        columns: Column headings.
        rows: Cells, numbers or text.
        notes: What to know before one quotes it, in one or several paragraphs.
        **details: Further fields, such as the raw numbers of each seed.
    """
    result = {
        "title": title,
        "what": what,
        "machine": describe_machine(),
        "versions": describe_versions(),
        "command": shlex.join(["python", "-m", _module(), *sys.argv[1:]]),
        "columns": columns,
        "rows": rows,
        "notes": notes,
        **details,
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n")


def describe_machine() -> dict[str, str | int]:
    """Processor, cores that this process may use, system, and the GPU if there is one.

    The GPU is the first that the backend sees.
    """
    processor = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    machine: dict[str, str | int] = {
        "processor": processor,
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
    }
    if gpu := _gpu():
        machine["GPU"] = gpu
    return machine


def _gpu() -> str | None:
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            for device in tf.config.list_physical_devices("GPU")[:1]:
                return tf.config.experimental.get_device_details(device)["device_name"]
        case "jax":
            import jax

            if jax.default_backend() == "gpu":
                return jax.devices()[0].device_kind
        case "torch":
            import torch

            if torch.cuda.is_available():
                return torch.cuda.get_device_name()
    return None


def backend_and_device() -> tuple[str, str]:
    """The backend, with "gpu" if it sees one: for the name of a file, and in words."""
    backend = keras.backend.backend()
    return (f"{backend}_gpu", f"{backend}, on a GPU") if _gpu() else (backend, backend)


def describe_versions() -> dict[str, str]:
    """The backend in use, and the versions of what is installed."""
    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name.removesuffix(".__main__") if spec else Path(sys.argv[0]).stem


def refuse_other_settings(path: Path, found: dict, wanted: dict, option: str) -> None:
    """Raises a `ValueError` if a finished run is not of the settings of this one.

    Args:
        path: File of the run.
        found: Its settings.
        wanted: Those of this run, as JSON would give them back.
        option: What to change for another place.
    """
    if found != wanted:
        raise ValueError(
            f"{path} is of a run with other settings: give another `{option}`, or "
            f"remove it. Received: {wanted}, there: {found}"
        )
