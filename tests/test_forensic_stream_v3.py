"""The stream: its front, its training mode and its arguments."""

import keras
import numpy as np
import pytest

from keras_forensics import BayarConv2D, ForensicStreamV3, SRMLayerV3
from keras_forensics.testing import (
    assert_batch_independent,
    assert_bayar_constraint,
    assert_exact_residual,
)
from tests.backend import random_images
from tests.tolerances import assert_close

numpy = keras.ops.convert_to_numpy


def small(**kwargs):
    return ForensicStreamV3(8, 2, (4, 6), **kwargs)


def test_defaults_give_a_gate_of_1280():
    gate = numpy(ForensicStreamV3()(random_images((2, 32, 32, 3))))
    assert gate.shape == (2, 1280)
    assert (gate > 0).all() and (gate < 1).all()


def test_front_is_exact_srm_and_constrained_bayar_residuals():
    stream, images = small(dtype="mixed_bfloat16"), random_images()
    stream.build(images.shape)
    assert isinstance(stream.srm, SRMLayerV3) and isinstance(stream.bayar, BayarConv2D)
    assert_exact_residual(stream.srm, images)
    assert_bayar_constraint(stream.bayar)
    maps = numpy(stream.residuals(images)).astype("float32")
    assert maps.shape == (2, 6, 7, 15 + 2)
    assert abs(maps).max() == 3
    np.testing.assert_array_equal(
        maps[..., :15], numpy(stream.srm(images)).astype("float32")
    )


@pytest.mark.parametrize("threshold", [1.0, None])
def test_threshold_reaches_both_kinds_of_residuals(threshold):
    stream, images = small(threshold=threshold), random_images()
    stream.build(images.shape)
    maps = numpy(stream.residuals(images))
    for part in (maps[..., :15], maps[..., 15:]):
        assert abs(part).max() == 1 if threshold else abs(part).max() > 10


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1)])
def test_value_range_gives_the_same_gate(value_range):
    images = random_images().astype("float32")
    low, high = value_range
    stream, scaled = small(), small(value_range=value_range)
    expected = numpy(stream(images)).astype("float64")
    scaled.build(images.shape)
    scaled.set_weights(stream.get_weights())
    assert_close(scaled(low + images / 255 * (high - low)), expected)


@pytest.mark.parametrize("padding", ["reflect", "symmetric"])
def test_flat_image_has_no_residuals(padding):
    stream = small(padding=padding)
    flat = np.full((1, 12, 12, 3), 200.0, "float32")
    stream.build(flat.shape)
    assert abs(numpy(stream.residuals(flat))).max() < 1e-3


def test_no_features_leave_the_pooled_residuals():
    stream = ForensicStreamV3(8, 2, ())
    assert stream(random_images()).shape == (2, 8)


# Promise 5: no training flag is hard-coded.


def test_training_moves_running_statistics_and_inference_does_not():
    stream, images = small(), random_images()
    stream.build(images.shape)
    statistics = [v for v in stream.weights if "moving" in v.path]
    assert len(statistics) == 2 * 3
    before = [numpy(v) for v in statistics]
    stream(images)
    stream(images, training=False)
    for old, new in zip(before, statistics, strict=True):
        np.testing.assert_array_equal(numpy(new), old)
    stream(images, training=True)
    for old, new in zip(before, statistics, strict=True):
        assert abs(numpy(new) - old).max() > 0


def test_training_normalises_with_the_batch():
    stream, images = small(), random_images()
    stream.build(images.shape)
    training = numpy(stream(images, training=True))
    alone = numpy(stream(images[:1], training=True))
    assert abs(training[:1] - alone).max() > 1e-4


def test_fit_moves_running_statistics():
    model = keras.Sequential([keras.Input((12, 14, 3)), small()])
    model.compile("sgd", "mse", jit_compile=False)
    before = [numpy(v) for v in model.non_trainable_weights]
    model.fit(random_images(), np.zeros((2, 8)), verbose=0)
    moved = [
        abs(numpy(v) - old).max() > 0
        for v, old in zip(model.non_trainable_weights, before, strict=True)
        if "moving" in v.path
    ]
    assert moved == [True] * 6


def test_frozen_stream_keeps_its_running_statistics_in_fit():
    stream = small()
    stream.trainable = False
    inputs = keras.Input((12, 14, 3))
    model = keras.Model(inputs, keras.layers.Dense(1)(stream(inputs)))
    before = stream.get_weights()
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(random_images(), np.zeros((2, 1)), verbose=0)
    for old, new in zip(before, stream.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_trained_stream_is_independent_of_the_batch():
    stream = small()
    images = random_images((4, 12, 14, 3))
    for _ in range(3):
        stream(images, training=True)
    assert_batch_independent(stream, images)


# Errors.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gate_dim": 0}, r"`gate_dim` must be a positive integer.*gate_dim=0"),
        ({"bayar_filters": -1}, r"`bayar_filters` must be .*bayar_filters=-1"),
        ({"features": 32}, r"`features` must be a tuple of positive.*features=32"),
        ({"features": (32, 0)}, r"`features` must be .*features=0"),
        ({"strides": "2"}, r"`strides` must be .*strides='2'"),
        ({"threshold": -3}, r"`threshold` must be .*threshold=-3"),
        ({"padding": None}, r"`padding` must be one of .*padding=None"),
        ({"value_range": (0,)}, r"`value_range` must be .*\(0,\)"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ForensicStreamV3(**arguments)


def test_images_too_small_for_the_kernel_are_refused():
    with pytest.raises(ValueError, match="needs images of at least 3 pixels"):
        small()(np.zeros((1, 2, 8, 3)))
