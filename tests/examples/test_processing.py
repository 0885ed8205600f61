import io

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.loading.images import read_image
from examples.deepfake_v3.loading.processing import (
    KINDS,
    MARGIN,
    add_noise,
    blur,
    compress,
    compress_on_another_grid,
    denoise,
    process_at_random,
    resize,
    resize_and_back,
    sharpen,
    take_median,
)
from test_support.photograph import photograph


def sharpness(image):
    return np.abs(np.diff(image.astype(float), axis=1)).mean()


def test_compression_is_that_of_a_jpeg_file_and_costs_more_at_lower_quality():
    image = photograph()
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75, subsampling=2)
    np.testing.assert_array_equal(compress(image, 75), read_image(file))
    errors = [
        np.abs(compress(image, quality).astype(float) - image).mean()
        for quality in (95, 75, 30)
    ]
    assert errors == sorted(errors)


def test_other_grid_is_that_of_a_picture_cropped_before_it_was_compressed_again():
    image = photograph(48, 56)
    before = np.pad(image, ((3, 0), (5, 0), (0, 0)), "symmetric")
    file = io.BytesIO()
    Image.fromarray(before).save(file, "JPEG", quality=75, subsampling=2)
    changed = compress_on_another_grid(image, 75)
    np.testing.assert_array_equal(changed, read_image(file)[3:, 5:])
    assert not np.array_equal(changed, compress(image, 75))


def test_blur_is_gaussian_in_the_plane_and_mixes_no_colours():
    image = np.zeros((21, 21, 3), np.uint8)
    image[10, 10] = (255, 0, 0)
    image[0, 0] = (0, 0, 255)
    blurred = blur(image, 2)
    axis = np.arange(21) - 10
    bell = np.exp(-(axis**2) / 8)
    expected = 255 * np.outer(bell, bell) / bell.sum() ** 2
    np.testing.assert_allclose(blurred[:, :, 0], expected, atol=0.6)
    assert not blurred[:, :, 1].any()
    assert sharpness(blur(photograph(), 2)) < sharpness(blur(photograph(), 0.5))


def test_resizing_scales_both_sides_and_keeps_flat_areas():
    assert resize(photograph(40, 56), 0.5).shape == (20, 28, 3)
    assert resize(photograph(40, 56), 1.5).shape == (60, 84, 3)
    flat = np.full((9, 1, 3), 77, np.uint8)
    np.testing.assert_array_equal(resize(flat, 0.5), np.full((4, 1, 3), 77))


def test_resizing_there_and_back_keeps_the_size_and_loses_detail():
    image = photograph(41, 57)
    kept = [resize_and_back(image, factor) for factor in (0.75, 0.5)]
    assert {each.shape for each in kept} == {image.shape}
    assert sharpness(image) > sharpness(kept[0]) > sharpness(kept[1])


def test_median_is_that_of_each_colour_and_sharpening_adds_contrast():
    image = photograph()
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (0, 1))
    median = np.median(windows, (3, 4)).astype("uint8")
    np.testing.assert_array_equal(take_median(image, 3)[1:-1, 1:-1], median)
    assert sharpness(sharpen(image, 100)) > 1.1 * sharpness(image)


def test_denoising_smooths_grain_and_keeps_edges():
    rng = np.random.default_rng(0)
    edge = np.repeat([60, 180], 20)[None, :, None] * np.ones((40, 1, 3))
    image = np.rint(edge + rng.normal(0, 3, edge.shape)).astype("uint8")
    denoised = denoise(image, 20).astype(float)
    assert np.std(denoised - edge) < 0.5 * np.std(image - edge)
    assert (
        abs(denoised[:, 19].mean() - 60) < 1 and abs(denoised[:, 20].mean() - 180) < 1
    )
    assert sharpness(blur(image, 1)) < sharpness(denoise(image, 20))


def test_noise_has_the_given_deviation_and_is_rounded():
    image = np.full((100, 100, 3), 128, np.uint8)
    noise = add_noise(image, 5).astype(float) - 128
    assert noise.std() == pytest.approx(5, rel=0.03)
    assert noise.mean() == pytest.approx(0, abs=0.1)  # cut, it would be -0.5
    assert np.ptp(add_noise(np.full((50, 50, 3), 255, np.uint8), 5)) < 40


def test_images_get_noise_of_their_own():
    first, second = photograph(seed=0), photograph(seed=1)
    noises = [add_noise(image, 5).astype(float) - image for image in (first, second)]
    assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.1


def image_of(kind, image, seed):
    return process_at_random(image, np.random.default_rng(seed), (kind,))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_size_and_is_drawn_anew(kind):
    image = photograph(41, 57)
    before = image.copy()
    drawn = [image_of(kind, image, seed) for seed in (0, 0, 1)]
    assert {each.shape for each in drawn} == {image.shape}
    assert {each.dtype for each in drawn} == {image.dtype}
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    "kind", ["resizing", "median", "denoising", "blur", "sharpening"]
)
def test_what_is_further_than_the_margin_does_not_matter(kind):
    image, other = photograph(160, 160), photograph(160, 160, seed=1)
    inner = slice(48, 112)
    mixed = other.copy()
    around = slice(48 - MARGIN, 112 + MARGIN)
    mixed[around, around] = image[around, around]
    for seed in range(8):
        near, far = (image_of(kind, each, seed) for each in (image, mixed))
        np.testing.assert_array_equal(near[inner, inner], far[inner, inner])


def test_resizing_takes_detail_away_and_sharpening_adds_it():
    image = photograph(64, 64)
    for seed in range(20):
        assert sharpness(image_of("resizing", image, seed)) < sharpness(image)
        assert sharpness(image_of("enlarging", image, seed)) < sharpness(image)
        assert sharpness(image_of("sharpening", image, seed)) > sharpness(image)


def test_all_kinds_are_drawn_about_as_often():
    image, rng = photograph(16, 16), np.random.default_rng(0)
    counts = dict.fromkeys(KINDS, 0)

    def counted(kind):
        def process(image, _):
            counts[kind] += 1
            return image

        return process

    with pytest.MonkeyPatch.context() as patch:
        for kind in KINDS:
            patch.setitem(KINDS, kind, counted(kind))
        for _ in range(100 * len(KINDS)):
            process_at_random(image, rng)
    assert min(counts.values()) > 70 and max(counts.values()) < 130


@pytest.mark.parametrize("kinds", [(), ("median", "sepia")])
def test_unknown_kinds_are_named(kinds):
    with pytest.raises(InputError, match=r"`kinds` must be some of resizing, enlarg"):
        process_at_random(photograph(), np.random.default_rng(0), kinds)
