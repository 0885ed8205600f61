import csv
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


def test_hidden_files_are_ignored(data_dir, tmp_path):
    (data_dir / "train" / "real" / ".DS_Store").write_bytes(b"x")
    assert quarantined(data_dir, tmp_path / "quarantine.csv") == {}


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


def test_class_weights_make_both_classes_count_alike():
    images = ImageList((), np.array([0, 0, 0, 1]))
    images = ImageList(tuple("abcd"), images.labels)
    weights = images.class_weights()
    assert weights == {0: 4 / 6, 1: 2.0}
    assert 3 * weights[0] == weights[1]


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


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (8, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by a quarter turn
    image.save(tmp_path / "image.jpg", exif=exif)
    assert read_image(tmp_path / "image.jpg").shape == (8, 4, 3)


def test_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    with pytest.raises(UnusableImageError, match=r"144000000 pixels.*exceeds limit"):
        read_image(tmp_path / "bomb.png")


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
    """The batches of `count` epochs, as lists of `(pixels, labels)`."""
    dataset = make_dataset(
        images,
        image_size=24,
        batch_size=len(images),
        training=True,
        seed=seed,
        pipeline=pipeline,
    )
    batches = iter(dataset)
    return [[np.asarray(part) for part in next(batches)] for _ in range(count)]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_training_shows_every_image_once_an_epoch_cropped_anew(data_dir, pipeline):
    images = check_data_dir(data_dir)["train"]
    (first, labels), (second, _) = first_epochs(images, pipeline, 0, 2)
    assert sorted(labels) == [0, 0, 1, 1]
    assert not np.array_equal(first, second)


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
    with pytest.raises(ValueError, match=r"`pipeline` must be .*Received: 'csv'"):
        choose_pipeline("csv")
