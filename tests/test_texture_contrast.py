"""Mosaics against patches that numpy ranks one by one."""

import keras
import numpy as np
import pytest

from keras_forensics import TextureContrast
from tests.backend import as_one_function, random_images

numpy = keras.ops.convert_to_numpy


def contrast(images, *args):
    layer = TextureContrast(*args)
    layer.build(images.shape)
    return numpy(as_one_function(layer)(images.astype("float32")))


def texture(patch):
    """The paper's sum, pixel by pixel."""
    total, side = 0, len(patch)
    for row in range(side):
        for column in range(side):
            for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
                if row + down < side and 0 <= column + right < side:
                    neighbour = patch[row + down, column + right]
                    total += abs(patch[row, column] - neighbour).sum()
    return total


def mosaics(image, size, side):
    """Rich and poor, as sorted lists put back row by row."""
    height, width = (length // size for length in image.shape[:2])
    patches = [
        image[size * row : size * (row + 1), size * column : size * (column + 1)]
        for row in range(height)
        for column in range(width)
    ]
    ranked = [(texture(patch), k) for k, patch in enumerate(patches)]
    rich = sorted(ranked, key=lambda pair: (-pair[0], pair[1]))
    for order in (rich, sorted(ranked)):
        chosen = iter(patches[k] for _, k in order)
        yield np.block([[[next(chosen)] for _ in range(side)] for _ in range(side)])


def textured(shape):
    """Images whose parts differ in contrast, so that no two patches are alike."""
    images = random_images(shape).astype("int64")
    contrast = np.linspace(0.05, 1, shape[1] * shape[2]).reshape(shape[1:3])
    return (images * contrast[..., None]).astype("int64")


@pytest.mark.parametrize(("size", "side", "channels"), [(3, 2, 3), (5, 1, 1)])
def test_mosaics_are_those_of_ranked_patches(size, side, channels):
    images = textured((2, 14, 13, channels))
    actual = contrast(images, size, side)
    for image, mosaic in zip(images, actual, strict=True):
        expected = np.concatenate(list(mosaics(image, size, side)), -1)
        np.testing.assert_array_equal(mosaic, expected)


def test_of_equal_patches_the_first_come_first():
    # Every patch is flat, so of equal texture, and has a value of its own.
    values = np.random.default_rng(0).permutation(12).reshape(1, 3, 4, 1)
    images = values.repeat(2, 1).repeat(2, 2)
    actual = contrast(images, 2, 2)
    first = values[0].ravel()[:4].reshape(2, 2, 1)
    expected = first.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(actual[0, ..., :1], expected)
    np.testing.assert_array_equal(actual[0, ..., 1:], expected)


@pytest.mark.parametrize("name", ["patch_size", "mosaic_side"])
@pytest.mark.parametrize("value", [0, 1.5, None])
def test_wrong_sizes_are_named(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*{name}={value!r}"):
        TextureContrast(**{name: value})


def test_patch_of_one_pixel_is_refused():
    with pytest.raises(ValueError, match=r"`patch_size` must be at least 2.*=1"):
        TextureContrast(1)


def test_image_with_too_few_patches_is_refused():
    with pytest.raises(ValueError, match=r"must hold 8 patches.*\(1, 6, 8, 1\)"):
        TextureContrast(3, 2)(np.zeros((1, 6, 8, 1), "float32"))
