"""LiteRT files (`.tflite`), run by LiteRT."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from examples.deepfake_v3.runtimes.facts import NAMESPACE
from examples.deepfake_v3.runtimes.opened import Opened, Run

IDENTIFIER = b"TFL3"  # of the flatbuffer's schema


def embed(path: Path, texts: Mapping[str, str]) -> None:
    """Adds one entry to the metadata of a model: a JSON object of the texts."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(dict(texts)).encode(), "uint8")
    entry.name, entry.buffer = NAMESPACE, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    path.write_bytes(builder.Output())


def open_file(path: Path) -> Opened:
    content = path.read_bytes()
    return Opened(_open_run(content), _read_texts(content))


def _read_texts(content: bytes) -> dict[str, str]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    for entry in map(model.Metadata, range(model.MetadataLength())):
        if entry.Name() == NAMESPACE.encode():
            buffer = model.Buffers(entry.Buffer())
            return json.loads(buffer.DataAsNumpy().tobytes())
    return {}


def _open_run(content: bytes) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=os.cpu_count())
    (image,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()
    allocated: list[tuple[int, ...]] = []

    def run(batch: np.ndarray) -> np.ndarray:
        if allocated != [batch.shape]:
            interpreter.resize_tensor_input(image["index"], batch.shape, strict=True)
            interpreter.allocate_tensors()
            allocated[:] = [batch.shape]
        interpreter.set_tensor(image["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    return run
