"""ONNX files, run by ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path

from examples.deepfake_v3.runtimes.opened import Opened


def embed(path: Path, texts: Mapping[str, str]) -> None:
    """Writes texts into the `metadata_props` of a file."""
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(texts))
    onnx.save(model, path)


def open_file(path: Path) -> Opened:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Threads that wait spinning would take the cores from those that decode images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # As bytes: Windows cannot rename a file that is open.
    session = onnxruntime.InferenceSession(path.read_bytes(), options)
    (image,) = session.get_inputs()
    return Opened(
        lambda batch: session.run(None, {image.name: batch})[0],
        session.get_modelmeta().custom_metadata_map,
    )
