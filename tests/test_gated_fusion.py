"""The formula, the skip and the errors of GatedFusion."""

import keras
import numpy as np
import pytest

from keras_forensics import GatedFusion
from tests.backend import gradients

numpy = keras.ops.convert_to_numpy


@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 4, 6)])
def test_output_is_the_gated_and_the_plain_features(shape):
    visual, gate = np.random.default_rng(0).uniform(0, 1, (2, *shape)).astype("float32")
    np.testing.assert_array_equal(
        numpy(GatedFusion()([visual, gate])),
        np.concatenate([visual * gate, visual], -1),
    )


def test_gradient_of_visual_features_survives_a_closed_gate():
    visual, gate = np.ones((1, 3), "float32"), np.zeros((1, 3), "float32")
    weights = np.ones((1, 6), "float32")
    _, (of_visual, of_gate), _ = gradients(GatedFusion(), [visual, gate], weights)
    np.testing.assert_array_equal(of_visual, np.ones((1, 3)))
    np.testing.assert_array_equal(of_gate, visual)


def test_unknown_sizes_agree_with_known_ones():
    fused = GatedFusion()([keras.Input((None, 4)), keras.Input((7, 4))])
    assert fused.shape[-1] == 8


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3)],
        [(2, 3), (2, 3), (2, 3)],
        [(2, 3), (2, 4)],
        [(2, 3), (2, 1)],
        [(2, 3), (2, 1, 3)],
        [(3,), (3,)],
    ],
    ids=str,
)
def test_inputs_of_other_shapes_are_refused(shapes):
    inputs = [np.zeros(shape, "float32") for shape in shapes]
    with pytest.raises(ValueError, match=r"two tensors of one shape.*input_shape="):
        GatedFusion()(inputs)


def test_single_tensor_is_refused():
    with pytest.raises(ValueError, match=r"list \[visual, gate\].*input_shape="):
        GatedFusion()(np.zeros((2, 3), "float32"))


def test_unknown_number_of_features_is_refused():
    with pytest.raises(ValueError, match="two tensors of one shape"):
        GatedFusion().compute_output_shape([(None, None), (None, None)])


def test_gate_that_would_broadcast_is_refused_once_built():
    layer = GatedFusion()
    layer([np.zeros((2, 3)), np.zeros((2, 3))])
    with pytest.raises(ValueError, match=r"expected axis -1 .* value 3"):
        layer([np.zeros((2, 3)), np.zeros((2, 1))])
