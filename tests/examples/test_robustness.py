import keras
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from examples.deepfake_v3.evaluation.robustness import (
    GRID,
    measure_robustness,
    middle,
)
from examples.deepfake_v3.evaluation.scoring import Scorer
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.loading.processing import blur, compress, resize
from test_support.photograph import photograph


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
