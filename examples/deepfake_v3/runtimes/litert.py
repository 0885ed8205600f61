"""LiteRT files (`.tflite`), run by LiteRT."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from examples.deepfake_v3.quiet_start import without_log_lines
from examples.deepfake_v3.runtimes.facts import NAMESPACE
from examples.deepfake_v3.runtimes.opened import Opened

MEMBER = f"{NAMESPACE}.json"


def embed(path: Path, texts: Mapping[str, str]) -> None:
    """Appends a JSON object of texts as what LiteRT calls an associated file.

    Such files are a zip archive behind the model, which the runtime does not look at.
    """
    with zipfile.ZipFile(path, "a") as archive:
        # Its date is always the same: equal models stay equal.
        archive.writestr(zipfile.ZipInfo(MEMBER), json.dumps(dict(texts), indent=1))


def open_file(path: Path) -> Opened:
    from ai_edge_litert.interpreter import Interpreter

    content = path.read_bytes()
    interpreter = Interpreter(model_content=content, num_threads=os.cpu_count())
    (image,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()
    allocated: list[tuple[int, ...]] = []

    def run(batch: np.ndarray) -> np.ndarray:
        if allocated != [batch.shape]:
            interpreter.resize_tensor_input(image["index"], batch.shape, strict=True)
            with without_log_lines():
                interpreter.allocate_tensors()
            allocated[:] = [batch.shape]
        interpreter.set_tensor(image["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    return Opened(run, _read_texts(path))


def _read_texts(path: Path) -> dict[str, str]:
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if MEMBER not in archive.namelist():
            return {}
        return json.loads(archive.read(MEMBER))
