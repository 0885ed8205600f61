import csv
import dataclasses
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.data import (
    CLASS_NAMES,
    SPLITS,
    ImageList,
    UnusableImageError,
    check_data_dir,
    choose_pipeline,
    crop_to_size,
    make_dataset,
    read_image,
)
from tests.backend import run_python

PIPELINES = ("tf", "grain")


@pytest.fixture
def data_dir(tmp_path):
    """Two images a class and split, of 40x48 random pixels, all different."""
    rng = np.random.default_rng(0)
    for split in SPLITS:
        for name in CLASS_NAMES:
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(2):
                pixels = rng.integers(0, 256, (40, 48, 3), "uint8")
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "data"


def quarantined(data_dir, report):
    """Checks the directory and returns `{file name: reason}`."""
    check_data_dir(data_dir, report_path=report)
    with report.open(newline="") as file:
        return {
            row["file"].split("/")[-1]: row["reason"] for row in csv.DictReader(file)
        }


def test_real_is_0_and_fake_is_1(data_dir):
    images = check_data_dir(data_dir)["train"]
    for path, label in zip(images.paths, images.labels, strict=True):
        assert path.parent.name == ("real", "fake")[label]


def test_unusable_files_are_quarantined_with_their_reason(data_dir, tmp_path):
    folder = data_dir / "train" / "real"
    good, white = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "white")
    whole = folder / "0.png"
    (folder / "empty.jpg").touch()
    (folder / "truncated.png").write_bytes(whole.read_bytes()[:1000])
    shutil.copy(data_dir / "val" / "real" / "0.png", folder / "named.jpg")
    (folder / "notes.txt").write_text("not an image")
    good.save(folder / "animated.png", save_all=True, append_images=[white])
    frames = [Image.new("L", (8, 8), level) for level in (0, 255)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    (folder / "broken_link.jpg").symlink_to(folder / "nowhere.jpg")

    reasons = quarantined(data_dir, tmp_path / "logs" / "quarantine.csv")
    assert reasons.keys() == {
        "empty.jpg",
        "truncated.png",
        "named.jpg",
        "notes.txt",
        "moving.gif",
        "broken_link.jpg",
        "animated.png",
    }
    assert "animated, 2 frames" in reasons["animated.png"]
    assert "wrongly named: the content is PNG" in reasons["named.jpg"]
    assert "not readable" in reasons["truncated.png"]
    assert "GIF" in reasons["moving.gif"]


def test_quarantined_files_are_left_out(data_dir):
    (data_dir / "train" / "fake" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert len(check_data_dir(data_dir)["train"]) == 4


def test_hidden_files_and_folders_are_ignored(data_dir, tmp_path):
    folder = data_dir / "train" / "real"
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / ".ipynb_checkpoints").mkdir()
    Image.new("RGB", (8, 8)).save(folder / ".ipynb_checkpoints" / "copy.png")
    assert quarantined(data_dir, tmp_path / "quarantine.csv") == {}
    assert len(check_data_dir(data_dir)["train"]) == 4


def test_multi_picture_files_of_phones_are_read(data_dir, tmp_path):
    photo, preview = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (8, 6))
    path = data_dir / "train" / "real" / "phone.jpg"
    photo.save(path, format="MPO", save_all=True, append_images=[preview])
    assert quarantined(data_dir, tmp_path / "quarantine.csv") == {}
    assert read_image(path).shape == (48, 64, 3)


def test_missing_split_stops_the_run(data_dir):
    shutil.rmtree(data_dir / "val")
    with pytest.raises(FileNotFoundError, match=r"Missing: .*val/real.*data_dir="):
        check_data_dir(data_dir)


def test_empty_class_stops_the_run(data_dir):
    for path in (data_dir / "test" / "fake").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"No usable image in .*test/fake"):
        check_data_dir(data_dir)


@pytest.mark.parametrize("copy", ["val/real/copy.png", "train/fake/copy.png"])
def test_same_content_in_two_splits_or_classes_stops_the_run(data_dir, copy):
    shutil.copy(data_dir / "train" / "real" / "0.png", data_dir / copy)
    with pytest.raises(ValueError, match=r"two splits or in both classes.*copy\.png"):
        check_data_dir(data_dir)


def test_same_pixels_in_another_format_are_the_same_content(data_dir):
    with Image.open(data_dir / "train" / "real" / "0.png") as image:
        image.save(data_dir / "test" / "real" / "other.bmp")
    with pytest.raises(ValueError, match=r"two splits.*other\.bmp"):
        check_data_dir(data_dir)


def test_class_weights_make_both_classes_count_alike():
    images = ImageList(tuple("abcd"), np.array([0, 0, 0, 1]))
    assert images.class_weights().tolist() == [4 / 6, 2.0]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_unbalanced_classes_are_weighted_in_training_only(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    images = ImageList(images.paths[:3], images.labels[:3])
    for training, expected in ((True, {0: 0.75, 1: 1.5}), (False, {0: 1.0, 1: 1.0})):
        dataset = make_dataset(
            images, image_size=24, batch_size=3, training=training, pipeline=pipeline
        )
        _, labels, weights = (np.asarray(part) for part in next(iter(dataset)))
        assert dict(zip(labels, weights, strict=True)) == expected


def test_fingerprint_changes_with_files_and_labels():
    images = ImageList(tuple("abcd"), np.array([0, 0, 1, 1]))
    others = [
        ImageList(tuple("abce"), images.labels),
        ImageList(images.paths, np.array([0, 1, 1, 1])),
    ]
    assert len({each.fingerprint() for each in (images, *others)}) == 3
    assert images.fingerprint() == ImageList(tuple("abcd"), images.labels).fingerprint()


def test_limited_keeps_so_many_of_each_class():
    images = ImageList(tuple(range(100)), np.repeat([0, 1], [60, 40]))
    limited = images.limited(10, seed=0)
    assert np.bincount(limited.labels).tolist() == [10, 10]
    assert all(
        images.labels[path] == label
        for path, label in zip(limited.paths, limited.labels, strict=True)
    )
    assert limited.paths != images.limited(10, seed=1).paths


def test_shuffled_labels_are_a_permutation():
    images = ImageList(tuple(range(100)), np.repeat([0, 1], 50))
    shuffled = images.with_shuffled_labels(seed=0)
    assert shuffled.labels.sum() == 50
    assert 20 < (shuffled.labels != images.labels).sum() < 80


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("RGBA", (1, 2, 3, 255), (1, 2, 3)),
        ("I;16", 0x1234, (0x12, 0x12, 0x12)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_other_modes_are_read_as_rgb(tmp_path, mode, pixel, expected):
    image = Image.new(mode, (4, 4), pixel)
    image.save(tmp_path / "image.png")
    assert (read_image(tmp_path / "image.png") == expected).all()


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((4, 4), 0.5, "float32"), "floating-point"),
        (np.full((4, 4), 70_000, "int32"), "more than 16 bits"),
    ],
)
def test_pixels_of_unknown_range_are_unusable(tmp_path, pixels, reason):
    Image.fromarray(pixels).save(tmp_path / "image.tif")
    with pytest.raises(UnusableImageError, match=reason):
        read_image(tmp_path / "image.tif")


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (8, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by a quarter turn
    image.save(tmp_path / "image.jpg", exif=exif)
    assert read_image(tmp_path / "image.jpg").shape == (8, 4, 3)


def test_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    code = (
        "from examples.deepfake_v3.data import *\n"
        "try: read_image('bomb.png')\n"
        "except UnusableImageError as error: print(error)\n"
    )
    # In a process of its own: pytest makes errors of warnings anyway.
    assert re.search("144000000 pixels.*limit", run_python(code, cwd=tmp_path))


def test_crops_copy_pixels_and_do_not_interpolate():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), "uint8")
    centre = crop_to_size(image, 32)
    np.testing.assert_array_equal(centre, image[9:41, 14:46])
    windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32, 3))
    crop = crop_to_size(image, 32, np.random.default_rng(1))
    assert (windows.reshape(-1, 32, 32, 3) == crop).all(axis=(1, 2, 3)).any()


def test_small_images_are_enlarged():
    assert crop_to_size(np.zeros((8, 12, 3), "uint8"), 32).shape == (32, 32, 3)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_evaluation_order_and_pixels(data_dir, pipeline):
    images = check_data_dir(data_dir)["val"]
    batches = list(
        make_dataset(
            images, image_size=40, batch_size=3, training=False, pipeline=pipeline
        )
    )
    pixels = np.concatenate([np.asarray(batch[0]) for batch in batches])
    labels = np.concatenate([np.asarray(batch[1]) for batch in batches])
    expected = [crop_to_size(read_image(path), 40) for path in images.paths]
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, np.stack(expected))
    np.testing.assert_array_equal(labels, images.labels)


def first_epochs(images, pipeline, seed, count):
    """Pixels and labels of the first epochs, of batches of 3 and 1 images."""
    dataset = make_dataset(
        images,
        image_size=24,
        batch_size=3,
        training=True,
        seed=seed,
        pipeline=pipeline,
    )
    batches = iter(dataset)
    epochs = [(next(batches), next(batches)) for _ in range(count)]
    return [
        [
            np.concatenate([np.asarray(batch[part]) for batch in epoch])
            for part in (0, 1)
        ]
        for epoch in epochs
    ]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_training_shows_every_image_once_an_epoch_cropped_anew(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    images = dataclasses.replace(images, labels=np.arange(4) % 2)
    epochs = first_epochs(images, pipeline, 0, 4)
    assert all(sorted(labels) == [0, 0, 1, 1] for _, labels in epochs)
    assert len({pixels.tobytes() for pixels, _ in epochs}) == 4
    whole = [read_image(path).astype("float32") for path in images.paths]
    for pixels, _ in epochs:  # which image a crop is of, by its pixels
        windows = [
            np.lib.stride_tricks.sliding_window_view(image, (24, 24, 3))
            for image in whole
        ]
        found = [
            next(
                index
                for index, views in enumerate(windows)
                if (views == crop).all(axis=(3, 4, 5)).any()
            )
            for crop in pixels
        ]
        assert sorted(found) == [0, 1, 2, 3]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_training_is_deterministic_given_the_seed(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    first, again, other = (
        np.stack([pixels for pixels, _ in first_epochs(images, pipeline, seed, 3)])
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_unknown_pipeline_is_refused():
    with pytest.raises(ValueError, match=r"`pipeline` must be .*pipeline='csv'"):
        choose_pipeline("csv")
