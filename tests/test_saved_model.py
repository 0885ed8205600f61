"""A file that an earlier version saved loads, with its names, weights and outputs."""

import keras
import numpy as np
import pytest

import keras_forensics
from tests import make_saved_model
from tests.tolerances import assert_close

STORED = dict(np.load(make_saved_model.ARRAYS))


@pytest.fixture(scope="module")
def model():
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


def kind(layer):
    return type(layer).__name__


def test_files_are_small():
    sizes = [
        make_saved_model.PATH.stat().st_size,
        make_saved_model.ARRAYS.stat().st_size,
    ]
    assert sum(sizes) < 100_000
