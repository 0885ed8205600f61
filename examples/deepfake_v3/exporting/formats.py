"""The formats in which a model leaves Keras: how each is written, and run again.

They take any model of one image input that is made of Keras's layers and this
package's. What no format can hold, its converter refuses.
"""

import contextlib
import importlib.util
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import keras
import numpy as np

from examples.deepfake_v3.errors import InputError, MissingPackageError
from examples.deepfake_v3.exporting import quantization
from examples.deepfake_v3.files.files import replacing, replacing_folder
from examples.deepfake_v3.options.choices import FormatName
from examples.deepfake_v3.runtimes.facts import NAMESPACE
from examples.deepfake_v3.runtimes.opened import Opened, Run
from examples.deepfake_v3.runtimes.runtimes import RUNTIMES, Runtime
from examples.deepfake_v3.training.precision import with_policy


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        ending: What its files' names end in.
        needs: The modules that writing and running it need, by backend that can.
        write: Writes an `inference_copy`; the images, if any, are typical ones.
        runtime: Makes a file run, and writes into it what it is.
        is_float32: Whether weights and arithmetic are those of the copy.
        is_folder: Whether it is several files.
    """

    ending: str
    needs: Mapping[str, tuple[str, ...]]
    write: Callable[[keras.Model, Path, np.ndarray | None], None]
    runtime: Runtime
    is_float32: bool = True
    is_folder: bool = False


def inference_copy(model: keras.Model) -> keras.Model:
    """The same model computing in float32, and always as in inference.

    16-bit graphs need operators that some runtimes lack. And a layer of the model may
    have `training=True` as its default, which Keras hands on to all layers after it
    where the caller names no flag, as in its own exports.

    Args:
        model: A model with one input.

    Returns:
        A model with the same weights, whose batch size is open.
    """
    (specification,) = model.inputs
    image = keras.Input(
        specification.shape[1:], dtype=specification.dtype, name="image"
    )
    output = with_policy(model, "float32")(image, training=False)
    return keras.Model(image, output, name=f"{model.name}_inference")


def check_format(name: str) -> None:
    """Refuses a format that cannot be written here, before anything is.

    Raises:
        ValueError: If it is unknown, or this backend cannot write it.
        ImportError: If a package is missing.
    """
    if name not in FORMATS:
        raise InputError(
            f"`formats` must be among {get_args(FormatName)}. "
            f"Received: formats={name!r}"
        )
    backend, needs = keras.backend.backend(), FORMATS[name].needs
    if backend not in needs:
        able = [other for other, each in FORMATS.items() if backend in each.needs]
        raise InputError(
            f"Keras cannot write {name} on the {backend} backend, but on "
            f"{' and '.join(needs)}: set KERAS_BACKEND={next(iter(needs))}, for which "
            f"a saved model is the same. Received: formats={name!r}, where {backend} "
            f"can {', '.join(able) or 'write none'}"
        )
    find = importlib.util.find_spec
    missing = [package for package in needs[backend] if find(package) is None]
    if missing:
        raise MissingPackageError(
            f"{name} needs packages that are not installed: {', '.join(missing)}. "
            'Install the extra `export`: python -m pip install -e ".[export]". '
            f"Received: formats={name!r}"
        )


def write_exported(
    model: keras.Model,
    path: str | Path,
    name: FormatName,
    images: np.ndarray | None = None,
    accept: Callable[[Run], None] = lambda run: None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Exports a model to one file, or one folder.

    Args:
        model: As from `inference_copy`.
        path: The file, or for "savedmodel" and "openvino" the folder.
        name: The format.
        images: Typical ones as the model takes them, float32 of shape `(count, height,
            width, channels)`: "litert-int8" chooses its ranges by them.
        accept: Called with what runs the new file before it takes its place. If it
            raises, what was at `path` before stays.
        texts: What the file is to say of itself, names with texts: as from
            `runtimes.facts.as_texts`. By default nothing.

    Raises:
        ValueError: If the backend cannot write the format, or `images` are missing.
        ImportError: If a package is missing.
        OSError: If the file cannot be written.
    """
    check_format(name)
    format_ = FORMATS[name]
    replace = replacing_folder if format_.is_folder else replacing
    with replace(path) as partial:
        with _without_warnings():
            format_.write(model, partial, images)
            if texts:
                format_.runtime.embed(partial, texts)
        accept(open_exported(partial, name))


def open_exported(path: str | Path, name: FormatName) -> Run:
    """Makes an exported file run in its own runtime, on the processor.

    Returns:
        A function from float32 images, `(batch, height, width, channels)` with any
        batch, to the outputs as an array.
    """
    with _without_warnings():
        return FORMATS[name].runtime.open_file(Path(path)).run


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """What converters warn of is their own code; the comparison shows the rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _write_savedmodel(model: keras.Model, path: Path, images) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def _open_savedmodel(path: Path) -> Opened:
    import tensorflow as tf

    served = tf.saved_model.load(str(path))
    texts = _texts_of_savedmodel(path)
    return Opened(
        lambda batch: served.serve(batch).numpy(),
        json.loads(texts.read_text("utf-8")) if texts.is_file() else {},
    )


def _embed_in_savedmodel(path: Path, texts: Mapping[str, str]) -> None:
    file = _texts_of_savedmodel(path)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(dict(texts), indent=1) + "\n", "utf-8")


def _texts_of_savedmodel(path: Path) -> Path:
    """Where the format has room for files of others."""
    return path / "assets.extra" / f"{NAMESPACE}.json"


def _write_onnx(model: keras.Model, path: Path, images) -> None:
    # Without a signature, Keras refuses models that were never called.
    model.export(path, format="onnx", verbose=False, input_signature=model.inputs)


def _write_openvino(model: keras.Model, path: Path, images) -> None:
    model.export(str(path / "model.xml"), format="openvino", verbose=False)


_SAVEDMODEL = Runtime(
    ("tensorflow", "tensorflow"),
    "_savedmodel",
    _open_savedmodel,
    _embed_in_savedmodel,
)
_LITERT = {"tensorflow": ("ai_edge_litert",)}

FORMATS: dict[str, Format] = {
    "savedmodel": Format(
        _SAVEDMODEL.ending,
        {"tensorflow": (), "jax": ("tensorflow",)},
        _write_savedmodel,
        _SAVEDMODEL,
        is_folder=True,
    ),
    "onnx": Format(
        RUNTIMES["onnx"].ending,
        {
            "tensorflow": ("onnx", "onnxruntime", "tf2onnx"),
            "torch": ("onnx", "onnxruntime"),
        },
        _write_onnx,
        RUNTIMES["onnx"],
    ),
    "litert": Format(
        RUNTIMES["litert"].ending,
        _LITERT,
        quantization.write_float32,
        RUNTIMES["litert"],
    ),
    "litert-float16": Format(
        "_float16.tflite",
        {"tensorflow": ("ai_edge_litert", "ai_edge_quantizer")},
        quantization.write_float16,
        RUNTIMES["litert"],
        is_float32=False,
    ),
    "litert-int8": Format(
        "_int8.tflite",
        _LITERT,
        quantization.write_int8,
        RUNTIMES["litert"],
        is_float32=False,
    ),
    "openvino": Format(
        RUNTIMES["openvino"].ending,
        {"tensorflow": ("openvino",), "torch": ("openvino",)},
        _write_openvino,
        RUNTIMES["openvino"],
        is_folder=True,
    ),
}
