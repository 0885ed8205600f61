"""The edits, the patches cut from them, and runs that are not made twice."""

import io
import json

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from benchmarks.manipulation import edits as edits_module
from benchmarks.manipulation import runs as runs_module
from benchmarks.manipulation.__main__ import Benchmark, main
from benchmarks.manipulation.edits import CLASSES, SETS, compress, edit, enlarge
from benchmarks.manipulation.figures import Drawing
from benchmarks.manipulation.figures import main as draw
from benchmarks.manipulation.network import FIRST_LAYERS, build_network
from benchmarks.manipulation.patches import (
    GRID,
    MARGIN,
    SIZE,
    cut_patches,
    edit_photographs,
    list_photographs,
)
from benchmarks.manipulation.table import (
    accuracy_of_photographs,
    confusion_matrix,
    measure,
)
from test_support.eager_training import train_eagerly

pytestmark = pytest.mark.backends


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def photograph(rng):
    """A smooth scene of 96x112 pixels, uint8."""
    scene = ndimage.gaussian_filter(rng.normal(size=(96, 112)), 3)
    return np.rint(128 + 80 * scene / abs(scene).max()).astype("uint8")


@pytest.fixture
def data_dirs(tmp_path, rng):
    """Two photographs a split, and a further test set of one."""
    places = [f"photographs/{split}" for split in ("train", "val", "test") * 2]
    for index, place in enumerate([*places, "others"]):
        folder = tmp_path / place
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (90, 100, 3), "uint8")
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return str(tmp_path / "photographs"), str(tmp_path / "others")


# Edits


@pytest.mark.parametrize("strengths", SETS.values(), ids=SETS)
@pytest.mark.parametrize("name", CLASSES)
def test_edits_keep_shape_and_whole_grey_levels(photograph, rng, name, strengths):
    edited = edit(photograph, name, strengths, rng)
    assert edited.shape == photograph.shape
    assert edited.dtype == "uint8"
    assert np.array_equal(edited, photograph) == (name == "untouched")


def test_median_removes_an_impulse_and_keeps_an_edge(rng):
    image = np.full((40, 40), 50, "uint8")
    image[:, 20:] = 200
    dotted = image.copy()
    dotted[10, 10] = 255
    edited = edit(dotted, "median", SETS["easy"], rng)
    np.testing.assert_array_equal(edited, image)


@pytest.mark.parametrize("strengths", SETS.values(), ids=SETS)
def test_median_looks_at_a_square_of_its_side(rng, strengths):
    side = strengths.median
    image = np.zeros((40, 40), "uint8")
    just_enough = side * side // 2 + 1
    window = np.arange(side * side) < just_enough
    image[20 : 20 + side, 20 : 20 + side] = 255 * window.reshape(side, side)
    edited = edit(image, "median", strengths, rng)
    assert edited[20 + side // 2, 20 + side // 2] == 255
    assert np.sum(edited == 255) < np.sum(image == 255)


@pytest.mark.parametrize("strengths", SETS.values(), ids=SETS)
def test_blur_spreads_a_point_as_far_as_it_says(rng, strengths):
    image = np.zeros((41, 41), "uint8")
    image[20, 20] = 255
    edited = edit(image, "blur", strengths, rng).astype(float)
    # The Gaussian of the paper ends 2 pixels from its centre.
    taps = np.exp(-0.5 * (np.arange(-2, 3) / strengths.blur) ** 2)
    variance = np.sum(taps * np.arange(-2, 3) ** 2) / taps.sum()
    rows = np.arange(41) - 20
    assert np.sum(edited.sum(axis=1) * rows**2) / edited.sum() == pytest.approx(
        variance, rel=0.05
    )
    assert np.all(edited[np.abs(rows) > 2] == 0)


@pytest.mark.parametrize("strengths", SETS.values(), ids=SETS)
def test_noise_is_rounded_to_the_nearest_level_and_not_cut(rng, strengths):
    image = np.full((400, 400), 128, "uint8")
    added = edit(image, "noise", strengths, rng).astype(float) - 128
    # Cutting would take off half a level. Rounding adds the variance of 1/12.
    assert added.mean() == pytest.approx(0, abs=0.03)
    assert added.var() == pytest.approx(strengths.noise**2 + 1 / 12, rel=0.03)


def test_noise_does_not_wrap_at_black_and_white(rng):
    image = np.array([[0, 255]] * 500, "uint8")
    edited = edit(image, "noise", SETS["easy"], rng)
    assert edited[:, 0].max() < 20
    assert edited[:, 1].min() > 235


@pytest.mark.parametrize("strengths", SETS.values(), ids=SETS)
def test_resampling_enlarges_by_exactly_its_factor(strengths):
    factor = strengths.resampling
    ramp = np.tile(np.arange(0, 240, 2, "uint8"), (60, 1))
    enlarged = enlarge(ramp, factor)
    assert enlarged.shape == (int(60 * factor), int(120 * factor))
    inside = enlarged[30, 10:-10].astype(float)
    slope = np.polyfit(np.arange(inside.size), inside, 1)[0]
    assert slope == pytest.approx(2 / factor, rel=1e-3)


def test_an_enlarged_photograph_is_cut_at_different_places(photograph, rng):
    first, second = (
        edit(photograph, "resampling", SETS["easy"], rng) for _ in range(2)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("strengths", SETS.values(), ids=SETS)
def test_compression_has_the_tables_of_its_quality(photograph, monkeypatch, strengths):
    written = []

    class Recorder(io.BytesIO):
        def __init__(self):
            super().__init__()
            written.append(self)

    monkeypatch.setattr(edits_module.io, "BytesIO", Recorder)
    compress(photograph, strengths.jpeg)
    # The table of the standard's annex K starts with 16, scaled as libjpeg does.
    expected = (16 * (200 - 2 * strengths.jpeg) + 50) // 100
    assert Image.open(written[0]).quantization[0][0] == expected


def test_an_unknown_edit_is_refused(photograph, rng):
    with pytest.raises(ValueError, match=r"`name` must be .* Received: name='sharpen'"):
        edit(photograph, "sharpen", SETS["easy"], rng)


# Patches


def test_each_photograph_gives_the_same_number_of_patches_of_each_class(data_dirs, rng):
    paths = list_photographs(data_dirs)["train"]
    patches = cut_patches(edit_photographs(paths, SETS["easy"]), 3, rng)
    assert patches.pixels.shape == (2 * 6 * 3, SIZE, SIZE, 1)
    counts = np.zeros((2, 6), int)
    np.add.at(counts, (patches.photographs, patches.labels), 1)
    assert np.all(counts == 3)
    # The order that results are stored in.
    assert np.all(np.diff(patches.photographs * 6 + patches.labels) >= 0)


def test_patches_are_cut_from_the_edited_photograph_at_their_offsets(photograph, rng):
    forms = [edit(photograph, name, SETS["easy"], rng) for name in CLASSES]
    patches = cut_patches([forms], 4, rng)
    for pixels, label, (top, left) in zip(
        patches.pixels, patches.labels, patches.offsets, strict=True
    ):
        np.testing.assert_array_equal(
            pixels[..., 0], forms[label][top : top + SIZE, left : left + SIZE]
        )


@pytest.fixture
def many_offsets(rng):
    """Offsets and labels of 12,000 patches of one photograph of 150x200 pixels."""
    patches = cut_patches([[np.zeros((150, 200), "uint8")] * len(CLASSES)], 2000, rng)
    return patches.offsets, patches.labels


def test_no_class_can_be_told_by_the_offset(many_offsets):
    offsets, labels = many_offsets
    for side in (0, 1):
        test = stats.kruskal(*(offsets[labels == label, side] for label in range(6)))
        assert test.pvalue > 0.001


def test_grids_of_blocks_stand_in_all_places_equally_often(many_offsets):
    offsets, labels = many_offsets
    for label in range(6):
        phases = (offsets[labels == label] % GRID) @ [GRID, 1]
        counts = np.bincount(phases, minlength=GRID**2)
        assert stats.chisquare(counts).pvalue > 0.001


def test_patches_keep_off_the_border(many_offsets):
    offsets, _ = many_offsets
    assert offsets.min() == MARGIN
    assert np.all(offsets.max(axis=0) + SIZE <= np.array([150, 200]) - MARGIN)
    # No more is lost than a block.
    assert np.all(offsets.max(axis=0) + SIZE > np.array([150, 200]) - MARGIN - GRID)


def test_photographs_are_split_by_directory(data_dirs):
    lists = list_photographs(data_dirs)
    assert {name: len(paths) for name, paths in lists.items()} == {
        "train": 2,
        "val": 2,
        "photographs": 2,
        "others": 1,
    }
    assert len({path for paths in lists.values() for path in paths}) == 7


def test_a_photograph_in_two_splits_is_refused(data_dirs, tmp_path):
    source = next((tmp_path / "photographs/train").iterdir())
    (tmp_path / "others/copy.png").write_bytes(source.read_bytes())
    with pytest.raises(ValueError, match=r"in one split, once.*Received: .*copy\.png"):
        list_photographs(data_dirs)


def test_a_directory_without_photographs_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Received: no photographs in .*train"):
        list_photographs((str(tmp_path),))


def test_a_photograph_that_is_too_small_is_refused(data_dirs, tmp_path):
    small = tmp_path / "photographs/train/small.png"
    Image.new("RGB", (86, 100)).save(small)
    with pytest.raises(ValueError, match=r"at least 87 pixels.*Received: .*small\.png"):
        edit_photographs([small], SETS["easy"])


# The network and its runs


@pytest.mark.parametrize("first_layer", FIRST_LAYERS)
def test_the_body_is_the_same_behind_every_first_layer(first_layer):
    keras.utils.set_random_seed(0)
    free = build_network("free")
    keras.utils.set_random_seed(0)
    network = build_network(first_layer)
    assert network.output_shape == (None, len(CLASSES))
    # The second convolution of the body sees 96 maps whatever is before.
    kernels = [
        next(
            layer
            for layer in model.layers
            if isinstance(layer, keras.layers.Conv2D)
            and tuple(layer.kernel.shape) == (5, 5, 96, 64)
        ).kernel
        for model in (free, network)
    ]
    np.testing.assert_array_equal(
        *(keras.ops.convert_to_numpy(kernel) for kernel in kernels)
    )


def tiny(tmp_path, data_dirs, **changes):
    return Benchmark(
        **{
            "data_dir": data_dirs,
            "edits": ("easy",),
            "seeds": (0, 1),
            "patches": 2,
            "test_patches": 1,
            "epochs": 1,
            "batch_size": 12,
            "work_dir": str(tmp_path / "work"),
            "results_dir": str(tmp_path / "results"),
            **changes,
        }
    )


@pytest.fixture
def quick_training(monkeypatch):
    """Calls drawn at random in place of trained ones; the seeds that were trained."""
    trained = []

    def train(first_layer, seed, budget, data):
        trained.append((first_layer, seed))
        rng = np.random.default_rng(len(trained))
        return {
            "losses": [1.0],
            "val_accuracies": [0.5],
            "best_epoch": 1,
            "called": {
                name: rng.integers(
                    6, size=(len(patches.labels) // (6 * budget.test_patches), 6, 1)
                ).tolist()
                for name, patches in data.tests.items()
            },
        }

    monkeypatch.setattr(runs_module, "train", train)
    return trained


def test_a_resumed_benchmark_reuses_finished_runs(data_dirs, tmp_path, quick_training):
    main(tiny(tmp_path, data_dirs))
    assert len(quick_training) == len(FIRST_LAYERS) * 2
    result = tmp_path / "results/manipulation.json"
    first = result.read_text()
    (tmp_path / "work/easy_none_1.json").unlink()
    (tmp_path / "work/easy_constrained_0.json").unlink()
    main(tiny(tmp_path, data_dirs))
    assert quick_training[-2:] == [("constrained", 0), ("none", 1)]
    assert len(quick_training) == len(FIRST_LAYERS) * 2 + 2
    main(tiny(tmp_path, data_dirs))
    assert len(quick_training) == len(FIRST_LAYERS) * 2 + 2
    assert json.loads(first)["columns"] == json.loads(result.read_text())["columns"]


def test_runs_with_other_settings_are_not_mixed(data_dirs, tmp_path, quick_training):
    main(tiny(tmp_path, data_dirs))
    with pytest.raises(ValueError, match=r"of a run with other settings.*Received"):
        main(tiny(tmp_path, data_dirs, epochs=2))


def test_the_result_has_a_row_for_each_first_layer_and_can_be_drawn(
    data_dirs, tmp_path, quick_training
):
    main(tiny(tmp_path, data_dirs))
    path = tmp_path / "results/manipulation.json"
    result = json.loads(path.read_text())
    assert [row[1:3] for row in result["rows"]] == [
        [test_set, first_layer]
        for test_set in ("photographs", "others")
        for first_layer in FIRST_LAYERS
    ]
    assert all(len(row) == len(result["columns"]) for row in result["rows"])
    drawn = draw(Drawing(result=str(path), docs_dir=str(tmp_path)))
    assert [str(file.relative_to(tmp_path)) for file in drawn] == [
        figure["file"] for figure in result["figures"]
    ]
    assert all(figure["alt"] for figure in result["figures"])


def test_training_calls_patches_by_photograph_and_class(
    data_dirs, tmp_path, monkeypatch
):
    train_eagerly(monkeypatch, keras.Model)
    benchmark = tiny(tmp_path, data_dirs, epochs=2)
    data = runs_module.read_data(list_photographs(data_dirs), "easy", benchmark)
    result, again = (runs_module.train("constrained", 0, benchmark, data) for _ in "12")
    assert np.shape(result["called"]["photographs"]) == (2, 6, 1)
    assert np.shape(result["called"]["others"]) == (1, 6, 1)
    best = result["best_epoch"] - 1
    assert result["val_accuracies"][best] == max(result["val_accuracies"])
    assert again["losses"] == pytest.approx(result["losses"], rel=1e-3)


def test_val_chooses_the_epoch_that_calls_the_test_sets(
    data_dirs, tmp_path, monkeypatch
):
    benchmark = tiny(tmp_path, data_dirs, epochs=3)
    data = runs_module.read_data(list_photographs(data_dirs), "easy", benchmark)
    right = iter([True, False, False])  # the first epoch is the best on val
    weights = []

    def call(model, patches, _):
        weights.append(model.get_weights()[0])
        if patches is data.val:
            return patches.labels if next(right) else -1 - patches.labels
        return patches.labels

    train_eagerly(monkeypatch, keras.Model)
    monkeypatch.setattr(runs_module, "call", call)
    result = runs_module.train("free", 0, benchmark, data)
    assert result["val_accuracies"] == [1.0, 0.0, 0.0]
    assert result["best_epoch"] == 1
    after_first, *_, on_test = weights
    np.testing.assert_array_equal(on_test, after_first)
    assert not np.array_equal(weights[2], after_first)


# The table


def test_accuracy_and_confusion_count_what_was_called():
    called = np.tile(np.arange(6)[:, None], (2, 1, 4))  # two photographs, all right
    called[0, 3, :2] = 0  # noise called untouched
    assert accuracy_of_photographs(called).tolist() == [22 / 24, 1.0]
    confusion = np.array(confusion_matrix(called))
    assert confusion[3].tolist() == [2, 0, 0, 6, 0, 0]
    assert np.trace(confusion) == called.size - 2


def test_the_bootstrap_draws_photographs_and_not_patches():
    # Half of the photographs are all right, half all wrong, in every seed.
    called = np.tile(np.arange(6)[:, None], (100, 1, 4))
    called[::2] = (called[::2] + 1) % 6
    results = [{"called": {"photographs": called.tolist()}}] * 3
    entry, *_ = measure({"easy": dict.fromkeys(FIRST_LAYERS, results)})
    low, high = entry["interval"]
    expected = 1.96 * 0.5 / 100**0.5
    assert (high - low) / 2 == pytest.approx(expected, rel=0.1)
