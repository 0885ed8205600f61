"""LiteRT files (`.tflite`), run by LiteRT."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from examples.deepfake_v3.quiet_start import without_log_lines
from examples.deepfake_v3.runtimes.facts import NAMESPACE
from examples.deepfake_v3.runtimes.opened import Opened

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

    # -1 where a size is open.
    shape = tuple(None if side < 0 else int(side) for side in image["shape_signature"])
    return Opened(run, shape, _read_texts(content))


def _read_texts(content: bytes) -> dict[str, str]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    for entry in map(model.Metadata, range(model.MetadataLength())):
        if entry.Name() == NAMESPACE.encode():
            buffer = model.Buffers(entry.Buffer())
            return json.loads(buffer.DataAsNumpy().tobytes())
    return {}
