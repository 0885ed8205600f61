"""OpenVINO's folders of `model.xml` and `model.bin`, run by OpenVINO."""

from collections.abc import Mapping
from pathlib import Path

from examples.deepfake_v3.runtimes.facts import NAMESPACE
from examples.deepfake_v3.runtimes.opened import Opened

# Some processors compute in bfloat16 otherwise, which ruins residuals.
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}


def embed(path: Path, texts: Mapping[str, str]) -> None:
    """Writes texts into the `rt_info` of a model."""
    import openvino

    model = _read(path)
    for name, text in texts.items():
        model.set_rt_info(text, [NAMESPACE, name])
    openvino.serialize(model, path / "model.xml", path / "model.bin")


def open_file(path: Path) -> Opened:
    import openvino

    model = _read(path)
    texts: dict[str, str] = {}
    if model.has_rt_info(NAMESPACE):
        found = model.get_rt_info(NAMESPACE).astype(dict)
        texts = {name: text.astype(str) for name, text in found.items()}
    compiled = openvino.Core().compile_model(model, "CPU", FLOAT32)
    return Opened(lambda batch: compiled(batch)[0].copy(), texts)


def _read(path: Path):
    import openvino

    # As bytes: a file that is mapped could not be replaced.
    weights = (path / "model.bin").read_bytes()
    return openvino.Core().read_model((path / "model.xml").read_bytes(), weights)
