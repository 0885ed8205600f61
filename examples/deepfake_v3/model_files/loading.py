"""Reads a model file without running anything that is in it."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras

# Loading needs the layers registered.
import keras_forensics.layers  # noqa: F401
from examples.deepfake_v3.errors import InputError, NotThereError

# Layers of Keras that hold pickles, bytecode or foreign graphs.
CODE_LAYERS = {"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}


def load_detector(model_path: str | Path, argument: str = "model_path") -> keras.Model:
    """Loads a saved detector, uncompiled.

    Nothing in the file is unpickled or run: Keras's safe mode is on, whatever its
    global switch says, and layers that would bring code are refused before that.

    Args:
        model_path: The .keras file.
        argument: What the errors call it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no .keras file, holds a layer that brings code, or a model
            that does not map square RGB images to one probability.
    """
    if not Path(model_path).is_file():
        raise NotThereError(
            f"There is no model at `{argument}`: {model_path}. Train one with `python "
            "-m examples.deepfake_v3 train`, or give the path of yours."
        )
    _refuse_code(model_path, argument)
    model = keras.models.load_model(model_path, compile=False, safe_mode=True)
    _, height, width, channels = (*model.input_shape, None, None, None)[:4]
    if (
        height is None
        or (width, channels) != (height, 3)
        or model.output_shape[1:] != (1,)
    ):
        raise InputError(
            f"The model at `{argument}`, {model_path}, must map square RGB images of a "
            "fixed size, (batch, size, size, 3), to one probability, (batch, 1). "
            f"Received: input_shape={model.input_shape}, "
            f"output_shape={model.output_shape}"
        )
    return model


def _refuse_code(path: str | Path, argument: str) -> None:
    """Refuses what is no .keras file, and models with layers that bring code."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise InputError(
            f"The file at `{argument}`, {path}, is no model in Keras's .keras format, "
            "or damaged. HDF5 files, SavedModels and pickles are not loaded: save "
            f"yours with model.save('model.keras'). Received: {error}"
        ) from error
    if found := CODE_LAYERS & set(_class_names(config)):
        raise InputError(
            f"The model at `{argument}`, {path}, holds layers that run code from the "
            "file, so it is not loaded. Replace them by registered layers, and save "
            f"it anew. Received: {', '.join(sorted(found))}"
        )


def _class_names(config) -> Iterator[str]:
    """The class names anywhere in a model's configuration."""
    found = [config]
    while found:
        item = found.pop()
        if isinstance(item, dict):
            if isinstance(name := item.get("class_name"), str):
                yield name.rpartition(">")[2]
            found += item.values()
        elif isinstance(item, list):
            found += item
