import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.augmentation import RandomTranspose, build_augmentation

pytestmark = pytest.mark.backends


def images(count=64, size=24):
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3))
    return pixels.astype("float32")


def test_quarter_turns_and_flips_move_pixels_and_do_not_interpolate():
    x = images()
    y = x
    for layer in build_augmentation(seed=0).layers[:3]:
        y = layer(y, training=True)
    y = ops.convert_to_numpy(y)
    turned = set()
    for before, after in zip(x, y, strict=True):
        symmetries = {
            (quarter, mirrored): np.rot90(before, quarter)[:: -1 if mirrored else 1]
            for quarter in range(4)
            for mirrored in (False, True)
        }
        (found,) = [k for k, v in symmetries.items() if np.array_equal(v, after)]
        turned.add(found)
    assert len(turned) == 8  # all symmetries of the square


def test_augmentation_stays_in_grey_levels_and_is_mild():
    x = np.full((64, 24, 24, 3), 100, "float32")
    y = ops.convert_to_numpy(build_augmentation(seed=0)(x, training=True))
    assert y.min() >= 0
    assert y.max() <= 255
    assert np.array_equal(y, np.round(y))
    medians = np.median(y, axis=(1, 2, 3))
    assert 60 < medians.min() < 95
    assert 105 < medians.max() < 140


def test_contrast_and_erasing_change_images():
    *_, contrast, _, erasing = build_augmentation(seed=0).layers
    x = images()
    spread = ops.convert_to_numpy(contrast(x, training=True)).std(axis=(1, 2, 3))
    assert (spread / x.std(axis=(1, 2, 3))).std() > 0.01
    erased = ops.convert_to_numpy(erasing(x, training=True))
    assert 5 < (erased != x).any(axis=(1, 2, 3)).sum() < 28  # about a quarter of 64


def test_augmentation_computes_in_float32_under_a_16_bit_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        augmentation = build_augmentation(seed=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in augmentation.layers} == {"float32"}


def test_transpose_does_nothing_outside_training():
    x = images()
    np.testing.assert_array_equal(ops.convert_to_numpy(RandomTranspose(0)(x)), x)
