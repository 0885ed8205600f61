"""The benchmark of exported files, scaled down."""

import json

import keras
import pytest

from benchmarks.export_parity import Benchmark, main
from examples.deepfake_v3.calibrate_model import calibrate_model_v3
from test_support.brightness import save_brightness_model, write_images

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="writes with TensorFlow alone"
)


def test_table_has_a_row_a_format(tmp_path):
    levels = ([20, 30, 40], [200, 210, 220])
    write_images(tmp_path / "data", {"val": ([10, 60], [190, 240]), "test": levels})
    model = tmp_path / "models" / "detector.keras"
    model.parent.mkdir()
    save_brightness_model(model)
    data = str(tmp_path / "data")
    calibrate_model_v3(
        model_path=str(model), data_dir=data, reports_dir=str(tmp_path / "reports")
    )
    main(
        Benchmark(
            model_path=str(model),
            data_dir=data,
            formats=("savedmodel",),
            images=6,
            rounds=1,
            results=str(tmp_path / "results.json"),
        )
    )
    result = json.loads((tmp_path / "results.json").read_text())
    ((name, megabytes, difference, verdicts, auc, loss, *speeds, promised),) = result[
        "rows"
    ]
    assert (name, verdicts, auc, loss, promised) == (
        "savedmodel",
        "100.00%",
        1,
        0,
        "yes",
    )
    assert megabytes > 0 and difference < 1e-6
    assert len(speeds) == 2
    assert len(result["columns"]) == len(result["rows"][0])
    assert not list(tmp_path.rglob("*_savedmodel"))
