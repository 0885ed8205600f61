import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.training.augmentation import RandomShift, build_augmentation

pytestmark = pytest.mark.backends


def images(count=64, size=24):
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3))
    return pixels.astype("float32")


def test_images_are_flipped_and_their_pixels_otherwise_kept():
    x = images()
    flip, _, _ = build_augmentation(seed=0).layers
    y = ops.convert_to_numpy(flip(x, training=True))
    flipped = [
        np.array_equal(after, before[:, ::-1])
        for before, after in zip(x, y, strict=True)
    ]
    kept = [np.array_equal(a, b) for a, b in zip(x, y, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 16 < sum(flipped) < 48  # about half of 64


def test_images_are_shifted_by_whole_pixels_and_their_borders_reflected():
    x = images(size=21)
    y = ops.convert_to_numpy(RandomShift(0.1, seed=0)(x, training=True))
    room = 2  # a tenth of 21
    padded = np.pad(x, ((0, 0), (room, room), (room, room), (0, 0)), "reflect")
    shifts = set()
    for before, after in zip(padded, y, strict=True):
        (found,) = [
            (down, right)
            for down in range(2 * room + 1)
            for right in range(2 * room + 1)
            if np.array_equal(before[down : down + 21, right : right + 21], after)
        ]
        shifts.add(found)
    assert (
        {down for down, _ in shifts} == {right for _, right in shifts} == set(range(5))
    )


def test_a_quarter_of_the_images_lose_a_small_rectangle():
    x = images()
    *_, erasing = build_augmentation(seed=0).layers
    y = ops.convert_to_numpy(erasing(x, training=True))
    changed = (y != x).any(axis=-1)
    erased = changed.any(axis=(1, 2))
    assert 5 < erased.sum() < 28
    assert (y[changed] == 127).all()
    assert changed[erased].mean(axis=(1, 2)).max() < 0.15


def test_the_asked_share_of_images_is_compressed_as_jpeg():
    x = np.repeat(images()[..., :1], 3, axis=-1)
    assert len(build_augmentation(seed=0).layers) == 3
    _, _, compression, _ = build_augmentation(seed=0, jpeg_share=0.25).layers
    y = ops.convert_to_numpy(compression(x, training=True))
    compressed = (y != x).any(axis=(1, 2, 3))
    assert 5 < compressed.sum() < 28
    # At different qualities.
    errors = abs(y - x)[compressed].mean((1, 2, 3))
    assert errors.max() > 2 * errors.min() > 0


def test_nothing_is_augmented_outside_training():
    x = images()
    y = build_augmentation(seed=0)(x, training=False)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), x)


def test_augmentation_computes_in_float32_under_a_16_bit_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        augmentation = build_augmentation(seed=0, jpeg_share=0.5)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in augmentation.layers} == {"float32"}
