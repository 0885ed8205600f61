"""The runtimes of exported files: which file is for which, and what opens it."""

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

from examples.deepfake_v3.errors import InputError, MissingPackageError, NotThereError
from examples.deepfake_v3.options.choices import EXPORTS, RuntimeName
from examples.deepfake_v3.runtimes import litert, onnx, openvino
from examples.deepfake_v3.runtimes.opened import Opened


@dataclasses.dataclass(frozen=True)
class Runtime:
    """One runtime.

    Attributes:
        needs: The module that runs its files, and the package that brings it.
        ending: What its files' names end in, after the name of the model.
        open_file: Makes a file ready to run.
        embed: Writes texts into a file.
    """

    needs: tuple[str, str]
    ending: str
    open_file: Callable[[Path], Opened]
    embed: Callable[[Path, Mapping[str, str]], None]


RUNTIMES: dict[RuntimeName, Runtime] = {
    "onnx": Runtime(
        ("onnxruntime", "onnxruntime"), ".onnx", onnx.open_file, onnx.embed
    ),
    "openvino": Runtime(
        ("openvino", "openvino"), "_openvino", openvino.open_file, openvino.embed
    ),
    "litert": Runtime(
        ("ai_edge_litert", "ai-edge-litert"), ".tflite", litert.open_file, litert.embed
    ),
}


def runtime_of(path: str | Path) -> RuntimeName | None:
    """Which runtime a file is for, by its ending; None for a `.keras` file.

    OpenVINO's folder may also be named by the `model.xml` in it.
    """
    path = Path(path)
    if path.name == "model.xml" or (path / "model.xml").is_file():
        return "openvino"
    for name, runtime in RUNTIMES.items():
        if path.name.endswith(runtime.ending):
            return name
    return None


def exported_form(model_path: str | Path, name: RuntimeName | None) -> Path:
    """The file that `export` writes of a model for a runtime.

    Args:
        model_path: A `.keras` file, or an exported one, which stays as it is.
        name: The runtime; None for whichever the file is for.

    Raises:
        ValueError: If the file is for another runtime.
    """
    path, own = Path(model_path), runtime_of(model_path)
    if name in (None, own):
        return path
    if own is not None:
        raise InputError(
            f"{path} is run by {own}. Give the .keras file, of which `export` wrote "
            f"one for {name}, or that one itself. Received: runtime={name!r}, "
            f"model_path={str(model_path)!r}"
        )
    return Path(EXPORTS) / f"{path.stem}{RUNTIMES[name].ending}"


def open_exported(path: str | Path, name: RuntimeName) -> Opened:
    """Makes an exported file run in its runtime, on the processor.

    Raises:
        ImportError: If the runtime is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the runtime cannot read it.
    """
    path, runtime = Path(path), RUNTIMES[name]
    if path.name == "model.xml":
        path = path.parent
    if not path.exists():
        raise NotThereError(
            f"There is no exported model. Write one with `python -m "
            f"examples.deepfake_v3 export --formats {name}`, or give the path of "
            f"yours. Received: {path}"
        )
    module, package = runtime.needs
    if importlib.util.find_spec(module) is None:
        raise MissingPackageError(
            f"{path} is run by {package}, which is not installed. Install it: python "
            f"-m pip install {package}. Received: runtime={name!r}"
        )
    try:
        return runtime.open_file(path)
    except Exception as error:
        raise InputError(
            f"{package} cannot read {path}: it is damaged, or of another format. "
            f"Export the model anew. Received: runtime={name!r} ({error})"
        ) from error
