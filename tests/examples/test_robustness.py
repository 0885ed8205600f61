import io

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from examples.deepfake_v3.evaluation.robustness import (
    GRID,
    add_noise,
    blur,
    compress,
    compress_on_another_grid,
    measure_robustness,
    middle,
    resize,
    resize_and_back,
    sharpen,
    take_median,
)
from examples.deepfake_v3.evaluation.scoring import Scorer
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import crop_to_size, read_image


def photograph(height=40, width=56, seed=0):
    """Smooth colours with some grain, uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 196, (height // 8, width // 8, 3)).astype("uint8")
    smooth = np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    )
    return (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).astype("uint8")


def sharpness(image):
    return np.abs(np.diff(image.astype(float), axis=1)).mean()


def test_grid_is_the_documented_one():
    levels = {kind: levels for kind, (_, levels) in GRID.items()}
    assert levels == {
        "JPEG quality": (95, 90, 75, 50, 30),
        "JPEG quality, other grid": (90, 75),
        "blur sigma": (0.5, 1, 2),
        "median side": (3,),
        "sharpening per cent": (100,),
        "resize factor": (0.5, 0.75, 1.5),
        "resize factor, and back": (0.5, 0.75),
        "noise sigma": (1, 2, 5),
    }


@pytest.mark.parametrize("kind", GRID)
def test_changes_keep_the_input_and_give_uint8_that_depends_on_it_alone(kind):
    change, levels = GRID[kind]
    image = photograph()
    before = image.copy()
    for level in levels:
        changed = change(image, level)
        assert changed.dtype == np.uint8 and changed.shape[2] == 3
        assert not np.array_equal(changed, image)
        np.testing.assert_array_equal(changed, change(image, level))
    np.testing.assert_array_equal(image, before)


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


@pytest.mark.parametrize("shape", [(300, 517), (301, 90), (16, 400), (64, 64)])
@pytest.mark.parametrize("change", [lambda image: image, lambda i: compress(i, 50)])
def test_what_is_far_from_the_crop_changes_nothing(shape, change):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype("uint8")
    part = middle(image, 32)
    assert max(part.shape[:2]) < 150
    np.testing.assert_array_equal(
        crop_to_size(change(part), 32), crop_to_size(change(image), 32)
    )


def test_blur_and_resizing_of_the_part_are_those_of_the_whole():
    image = photograph(400, 640)
    part = middle(image, 32)
    for change in (lambda i: blur(i, 2), lambda i: resize(i, 0.5)):
        whole = crop_to_size(change(image), 32).astype(float)
        crop = crop_to_size(change(part), 32).astype(float)
        # Halved, the part may lie one pixel beside.
        offsets = [
            np.abs(np.roll(crop, (dy, dx), (0, 1)) - whole)[2:-2, 2:-2].mean()
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
        assert min(offsets) < 1


def grain_detector(size):
    """Scores an image by how much neighbouring pixels differ, .5 at 4 grey levels."""
    images = keras.Input((size, size, 3))
    x = keras.ops.abs(images[:, :, 1:] - images[:, :, :-1])
    x = keras.layers.GlobalAveragePooling2D()(x)
    score = keras.layers.Dense(
        1,
        "sigmoid",
        kernel_initializer=keras.initializers.Constant(1 / 3),
        bias_initializer=keras.initializers.Constant(-4.0),
    )(x)
    return keras.Model(images, score)


@pytest.fixture
def grainy(tmp_path):
    """Fakes have more grain, which blur takes away and noise hides."""
    for name, grain in (("real", 1), ("fake", 6)):
        folder = tmp_path / "test" / name
        folder.mkdir(parents=True)
        for index in range(6):
            rng = np.random.default_rng((grain, index))
            flat = np.full((48, 48, 3), 128.0)
            pixels = np.rint(flat + rng.normal(0, grain, flat.shape)).astype("uint8")
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path


@pytest.mark.backends
def test_rows_are_the_metrics_of_the_changed_images(grainy):
    images = check_data_dir(grainy, ("test",))["test"]
    model = grain_detector(32)
    scorer = Scorer(
        grainy, images, batch_size=5, pipeline="grain", report_path=grainy / "q.csv"
    )
    scored = scorer(model, images)
    result = measure_robustness(model, scorer, scored, 0.5, images_per_class=4)
    assert result["counts"] == {"real": 4, "fake": 4, "clusters": 8}
    rows = {(row["kind"], row["level"]): row for row in result["rows"]}
    assert len(rows) == 1 + sum(len(levels) for _, levels in GRID.values())
    assert rows[None, None]["accuracy"]["value"] == 1
    # Blurred, nothing looks like a fake; with noise, everything does.
    assert rows["blur sigma", 2]["recall"]["value"] == 0
    assert rows["noise sigma", 5]["specificity"]["value"] == 0
    blurred = [
        ndimage.gaussian_filter(read_image(path).astype("float32"), (1, 1, 0))
        for path in images.paths
    ]
    expected = [crop_to_size(np.rint(image).astype("uint8"), 32) for image in blurred]
    called = model.predict(np.stack(expected), verbose=0)[:, 0] >= 0.5
    recall = called[images.labels == 1].mean()
    assert rows["blur sigma", 1]["recall"]["value"] == recall
