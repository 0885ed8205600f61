import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

TRAIN = """
import sys
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec
PathFinder.find_spec = lambda name, *args: (
    None if name.partition(".")[0] == "tensorflow" else find_spec(name, *args)
)

from examples.deepfake_v3.train_model import train_model_v3

model, history = train_model_v3(
    data_dir=sys.argv[1],
    model_save_path="detector.keras",
    weights=None,
    image_size=32,
    alpha=0.35,
    epochs=1,
    batch_size=8,
    verbose=0,
)
print("val AUC", history["val_auc"])
print("without tensorflow", "tensorflow" not in sys.modules)
"""


@pytest.mark.backends
@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="the backend is TensorFlow"
)
def test_detector_trains_where_tensorflow_is_not_installed(demo_data, tmp_path):
    environment = {
        **os.environ,
        "KERAS_BACKEND": keras.backend.backend(),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    run = subprocess.run(
        [sys.executable, "-c", TRAIN, demo_data],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "without tensorflow True" in run.stdout
    assert "val AUC [" in run.stdout
    assert (tmp_path / "detector.keras").is_file()
