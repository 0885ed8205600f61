"""The demo set: what is on disk, that it is repeatable, and that only traces differ."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.deepfake_v3 import demo_set
from examples.deepfake_v3.demo_set import render_demo_set

FEW = {"train": 3, "val": 2, "test": 1}


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def paths_and_labels(directory: Path, split: str) -> tuple[list[Path], np.ndarray]:
    real, fake = (
        sorted((directory / split / name).iterdir()) for name in ("real", "fake")
    )
    return real + fake, np.repeat([0, 1], [len(real), len(fake)])


def images_and_labels(directory: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    paths, labels = paths_and_labels(directory, split)
    return np.stack(
        [np.asarray(Image.open(path), np.float64) for path in paths]
    ), labels


def separation(values: np.ndarray, labels: np.ndarray) -> float:
    """AUC of one statistic, whichever class has more of it."""
    auc = roc_auc_score(labels, values)
    return max(auc, 1 - auc)


def trained_auc(train, test) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(*train)
    return roc_auc_score(test[1], model.predict_proba(test[0])[:, 1])


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("few") / "set"
    return render_demo_set(directory, images_per_class=FEW, image_size=32)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("many") / "set"
    counts = {"train": 150, "val": 1, "test": 150}
    return render_demo_set(directory, images_per_class=counts, image_size=64)


def test_each_split_and_class_gets_its_number_of_images(few):
    found = {
        (split, name): sorted(path.name for path in (few / split / name).iterdir())
        for split in FEW
        for name in ("real", "fake")
    }
    assert found == {
        (split, name): [f"{index:04d}.jpg" for index in range(count)]
        for split, count in FEW.items()
        for name in ("real", "fake")
    }


def test_both_classes_have_the_same_format_and_no_metadata(few):
    seen = set()
    for path in few.rglob("*.jpg"):
        with Image.open(path) as image:
            tables = tuple(tuple(table) for table in image.quantization.values())
            sampling = tuple(layer[1:3] for layer in image.layer)
            kind = (image.format, image.mode, image.size, *sorted(image.info))
            seen.add((kind, tables, sampling, len(image.getexif())))
    assert len(seen) == 1
    kind, _, sampling, exif_entries = seen.pop()
    assert kind[:3] == ("JPEG", "RGB", (32, 32))
    assert set(kind[3:]) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert sampling == ((1, 1), (1, 1), (1, 1))
    assert exif_entries == 0


def test_the_same_seed_gives_the_same_bytes(few, tmp_path):
    again = render_demo_set(tmp_path / "again", images_per_class=FEW, image_size=32)
    assert contents(again) == contents(few)


def test_another_seed_gives_other_images(few, tmp_path):
    other = render_demo_set(
        tmp_path / "other", images_per_class=FEW, image_size=32, seed=1
    )
    ours, theirs = contents(few), contents(other)
    assert not any(ours[name] == theirs[name] for name in ours)


def test_no_scene_is_used_twice(monkeypatch, tmp_path):
    scenes = []
    render_scene = demo_set.render_scene

    def recorded(size, rng):
        scenes.append(render_scene(size, rng).tobytes())
        return np.frombuffer(scenes[-1], np.float32).reshape(size, size, 3)

    monkeypatch.setattr(demo_set, "render_scene", recorded)
    render_demo_set(tmp_path / "set", images_per_class=FEW, image_size=32)
    assert len(set(scenes)) == len(scenes) == 2 * sum(FEW.values())


def test_a_larger_set_begins_with_the_smaller_one(few, tmp_path):
    counts = {split: count + 1 for split, count in FEW.items()}
    larger = contents(
        render_demo_set(tmp_path / "larger", images_per_class=counts, image_size=32)
    )
    smaller = contents(few)
    del smaller["demo_set.json"]
    assert smaller.items() <= larger.items()


def test_manifest_says_how_the_set_was_made_and_that_it_is_synthetic(few):
    manifest = json.loads((few / "demo_set.json").read_text())
    assert manifest["seed"] == 0
    assert manifest["image_size"] == 32
    assert manifest["images_per_class"] == FEW
    assert "ynthetic" in manifest["note"]


def test_a_finished_set_is_left_alone(tmp_path, monkeypatch):
    directory = render_demo_set(tmp_path / "a", images_per_class=FEW, image_size=32)
    monkeypatch.setattr(demo_set, "render_image", None)  # any rendering would fail
    assert render_demo_set(directory, images_per_class=FEW, image_size=32) == directory


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"image_size": 34}, {"images_per_class": {**FEW, "val": 1}}]
)
def test_a_set_made_with_other_arguments_is_refused(few, change):
    arguments = {"images_per_class": FEW, "image_size": 32, **change}
    with pytest.raises(FileExistsError, match=r"made with other arguments: .*set "):
        render_demo_set(few, **arguments)


def test_a_directory_with_a_broken_manifest_is_refused(tmp_path):
    (tmp_path / "demo_set.json").write_text("{")
    with pytest.raises(FileExistsError, match="made with other arguments"):
        render_demo_set(tmp_path)


def test_a_directory_with_other_files_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"not empty and has no demo_set\.json"):
        render_demo_set(tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    path = tmp_path / "set"
    path.write_text("")
    with pytest.raises(FileExistsError, match=r"`directory` is a file: .*set"):
        render_demo_set(path)


def test_an_empty_directory_is_filled(few, tmp_path):
    render_demo_set(tmp_path, images_per_class=FEW, image_size=32)
    assert contents(tmp_path) == contents(few)


def test_a_failed_run_leaves_nothing(tmp_path, monkeypatch):
    render_image = demo_set.render_image
    calls = iter(range(100))

    def fails_late(*arguments):
        if next(calls) == 5:
            raise KeyboardInterrupt
        return render_image(*arguments)

    monkeypatch.setattr(demo_set, "render_image", fails_late)
    with pytest.raises(KeyboardInterrupt):
        render_demo_set(tmp_path / "set", images_per_class=FEW, image_size=32)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("image_size", 33, r"`image_size` must be an even number.*image_size=33"),
        ("image_size", 16, r"at least 32.*image_size=16"),
        ("image_size", 64.0, r"`image_size`.*image_size=64\.0"),
        ("seed", -1, r"`seed` must be an integer of 0 or more.*seed=-1"),
        ("images_per_class", {"train": 2}, r"`images_per_class`.*val, test.*train"),
        ("images_per_class", {**FEW, "val": 0}, r"positive number.*'val': 0"),
    ],
)
def test_arguments_out_of_range_are_named(tmp_path, argument, value, message):
    with pytest.raises(ValueError, match=message):
        render_demo_set(tmp_path / "set", **{argument: value})
    assert list(tmp_path.iterdir()) == []


def test_file_size_brightness_contrast_and_colour_do_not_separate_the_classes(many):
    paths, _ = paths_and_labels(many, "test")
    images, labels = images_and_labels(many, "test")
    statistics = {
        "file size": np.array([path.stat().st_size for path in paths]),
        "brightness": images.mean((1, 2, 3)),
        "contrast": images.std((1, 2, 3)),
        "red": images[..., 0].mean((1, 2)),
        "green": images[..., 1].mean((1, 2)),
        "blue": images[..., 2].mean((1, 2)),
        "saturation": (images.max(-1) - images.min(-1)).mean((1, 2)),
    }
    found = {name: separation(value, labels) for name, value in statistics.items()}
    assert max(found.values()) < 0.65, found


def test_thumbnails_do_not_separate_the_classes(many):
    def thumbnails(split):
        images, labels = images_and_labels(many, split)
        blocks = images.reshape(len(images), 16, 4, 16, 4, 3).mean((2, 4))
        return blocks.reshape(len(images), -1), labels

    assert trained_auc(thumbnails("train"), thumbnails("test")) < 0.65


def test_truncated_residuals_per_phase_separate_the_classes(many):
    second, edge = np.array([1, -2, 1]), np.array([-1, 2, -2, 2, -1])
    kernels = (
        np.outer(second, second) / 4,
        np.outer(edge, edge) / 4,
        second[:, None] / 2,
        second[None, :] / 2,
    )

    def residuals(split):
        images, labels = images_and_labels(many, split)
        means = []
        for kernel in kernels:
            residual = ndimage.convolve(images, kernel[None, :, :, None])
            size = abs(residual.clip(-3, 3))
            means += [size[:, i::2, j::2].mean((1, 2)) for i, j in np.ndindex(2, 2)]
        return np.concatenate(means, axis=1), labels

    assert trained_auc(residuals("train"), residuals("test")) > 0.95


def test_only_fake_images_show_a_checkerboard():
    """Power at the Nyquist frequency of both axes, against that around it."""
    window = np.outer(np.hanning(64), np.hanning(64))  # no leakage from the borders
    ratio = {}
    for name in ("real", "fake"):
        images = [
            demo_set.render_image(name, 64, np.random.default_rng([7, index]))
            for index in range(30)
        ]
        grey = np.stack(images).mean(-1)
        grey -= grey.mean((1, 2), keepdims=True)
        power = abs(np.fft.fft2(window * grey)) ** 2
        around = power[:, 24:41, 24:41].mean((1, 2))
        ratio[name] = np.median(power[:, 32, 32] / around)
    assert ratio["fake"] > 10 * ratio["real"], ratio


def test_only_real_noise_is_weaker_where_colour_was_interpolated():
    """Noise of the red channel: measured on even rows and columns only."""
    flat = np.full((128, 128, 3), 0.3, np.float32)
    ratio = {}
    for name, render in (("real", demo_set.photograph), ("fake", demo_set.decode)):
        red = render(flat, np.random.default_rng(3))[:, :, 0]
        ratio[name] = red[1::2, 1::2].std() / red[::2, ::2].std()
    # The mean of four neighbours has half the standard deviation of one.
    assert ratio["real"] == pytest.approx(0.5, abs=0.05)
    assert ratio["fake"] == pytest.approx(1, abs=0.1)
