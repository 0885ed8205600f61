import keras
import pytest

from tests.backend import run_python

TRAIN = """
import os
import sys
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec
PathFinder.find_spec = lambda name, *args: (
    None if name.partition(".")[0] == "tensorflow" else find_spec(name, *args)
)

import keras

from examples.deepfake_v3.train_model import train_model_v3
from test_support.small_backbone import build_small_backbone

keras.applications.MobileNetV2 = build_small_backbone

model, history = train_model_v3(
    data_dir=os.environ["DATA"],
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
    output = run_python(TRAIN, cwd=tmp_path, DATA=str(demo_data))
    assert "without tensorflow True" in output
    assert "val AUC [" in output
    assert (tmp_path / "detector.keras").is_file()
