"""A file that an earlier version saved loads, with its names, weights and outputs."""

import importlib.util
import json
import zipfile

import keras
import numpy as np
import pytest

import keras_forensics
from tests import make_saved_model
from tests.tolerances import assert_close

STORED = dict(np.load(make_saved_model.ARRAYS))


def version(text):
    return tuple(int(part) for part in text.split(".")[:2])


@pytest.fixture(scope="module")
def model():
    with zipfile.ZipFile(make_saved_model.PATH) as archive:
        saved_by = json.loads(archive.read("metadata.json"))["keras_version"]
    if version(keras.__version__) < version(saved_by):
        pytest.skip(f"an older Keras does not read what {saved_by} saved")
    return keras.saving.load_model(make_saved_model.PATH)


def test_weights_keep_their_paths_and_every_bit(model):
    weights = make_saved_model.learnt(model)
    assert set(weights) == set(STORED) - {"images", "outputs"}
    for path, value in weights.items():
        np.testing.assert_array_equal(value, STORED[path], path)


def test_outputs_are_those_that_were_saved(model):
    outputs = model.predict(STORED["images"], verbose=0)
    assert_close(outputs, STORED["outputs"].astype("float64"))


def test_configuration_of_every_layer_is_read(model):
    fresh = {layer.name: layer for layer in make_saved_model.build().layers}
    ours = [layer for layer in model.layers if hasattr(keras_forensics, kind(layer))]
    assert {kind(layer) for layer in ours} == {
        kind(layer) for layer in fresh.values() if hasattr(keras_forensics, kind(layer))
    }
    for layer in ours:
        assert layer.get_config() == fresh[layer.name].get_config()


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is not None, reason="torch is installed"
)
def test_a_model_compiled_under_torch_loads_where_torch_is_not(tmp_path):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras_forensics.SRMLayerV3()(image))
    model.compile("adam", "mse")
    model.save(tmp_path / "saved.keras")
    with (
        zipfile.ZipFile(tmp_path / "saved.keras") as saved,
        zipfile.ZipFile(tmp_path / "torch.keras", "w") as compiled,
    ):
        for name in saved.namelist():
            content = saved.read(name)
            if name == "config.json":
                config = json.loads(content)
                # As torch's Keras 3.15 writes it.
                module = "keras.src.backend.torch.optimizers.torch_adam"
                config["compile_config"]["optimizer"]["module"] = module
                content = json.dumps(config).encode()
            compiled.writestr(name, content)
    with pytest.raises(TypeError, match="Could not deserialize class 'Adam'"):
        keras.saving.load_model(tmp_path / "torch.keras")
    loaded = keras.saving.load_model(tmp_path / "torch.keras", compile=False)
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()


def kind(layer):
    return type(layer).__name__


def test_files_are_small():
    sizes = [
        make_saved_model.PATH.stat().st_size,
        make_saved_model.ARRAYS.stat().st_size,
    ]
    assert sum(sizes) < 100_000
