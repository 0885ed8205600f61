"""The benchmarks of exported files in their runtimes, scaled down."""

import json

import keras
import pytest

from benchmarks import export_verdicts
from benchmarks.speed import runtimes
from examples.deepfake_v3.exporting.formats import inference_copy, write_exported
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.model_files.metadata import read_metadata
from examples.deepfake_v3.runtimes.facts import as_texts
from examples.deepfake_v3.runtimes.runtimes import RUNTIMES
from test_support.brightness import save_brightness_detector, write_images

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one backend writes all files"
)


@pytest.fixture
def detector(tmp_path):
    path = tmp_path / "detector.keras"
    save_brightness_detector(path, 0.5)
    write_images(tmp_path / "data", {"test": ([20, 30, 40], [200, 210, 220])})
    return path


def test_verdicts_are_compared_with_every_option(detector, tmp_path):
    path = tmp_path / "measured.json"
    export_verdicts.main(
        export_verdicts.Benchmark(
            model_path=str(detector),
            data_dir=str(tmp_path / "data"),
            images=6,
            measurements=str(path),
        )
    )
    found = json.loads(path.read_text())
    assert {each["runtime"] for each in found} == {
        "TensorFlow",
        "ONNX Runtime",
        "LiteRT",
        "OpenVINO",
    }
    assert all(each["agreement"] == 1 for each in found)
    # Where a processor has bfloat16, OpenVINO computes in it unless told otherwise.
    for each in found:
        allowed = 0.01 if "bf16" in each["option"] else 1e-6
        assert each["largest_difference"] < allowed, each


def test_table_has_a_row_for_each_runtime(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(runtimes, "RUNTIMES", {"onnx": RUNTIMES["onnx"]})
    write_exported(
        inference_copy(load_detector(detector, "path")),
        tmp_path / "exports" / "detector.onnx",
        "onnx",
        texts=as_texts(read_metadata(detector)),
    )
    runtimes.main(
        runtimes.Benchmark(
            # In the place of Keras, which takes seconds to start.
            model_path=str(tmp_path / "exports" / "detector.onnx"),
            exports=str(tmp_path / "exports"),
            data_dir=str(tmp_path / "data"),
            images=6,
            rounds=2,
            rounds_of_many=2,
            results=str(tmp_path / "results.json"),
        )
    )
    result = json.loads((tmp_path / "results.json").read_text())
    assert [row[0] for row in result["rows"]] == ["keras", "onnx"]
    for row in result["rows"]:
        assert len(row) == len(result["columns"])
        assert row[-1] == "6 of 6" and row[-2] < 1e-6
        assert row[1] > 0 and row[3] > 1
