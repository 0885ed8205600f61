import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.loading.data import ImageList, check_data_dir
from examples.deepfake_v3.loading.images import read_image


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
    assert "animated" in reasons["animated.png"]
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
    with pytest.raises(FileNotFoundError, match=r"val/real.*missing.*data_dir="):
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


def test_fingerprints_change_with_names_labels_and_pixels():
    paths, labels = tuple("abcd"), np.array([0, 0, 1, 1])
    first = ImageList(paths, labels, tuple("1234")).fingerprints()
    others = {
        3: ImageList(tuple("abce"), labels, tuple("1234")),
        1: ImageList(paths, np.array([0, 1, 1, 1]), tuple("1234")),
        2: ImageList(paths, labels, tuple("1254")),
    }
    for index, other in others.items():
        assert np.flatnonzero(first != other.fingerprints()).tolist() == [index]


def test_name_that_is_no_utf8_has_a_fingerprint():
    assert len(ImageList(("\udcff.png",), np.array([0])).fingerprints()) == 1


def test_limited_keeps_so_many_of_each_class():
    images = ImageList(tuple(range(100)), np.repeat([0, 1], [60, 40]))
    limited = images.limited(10, seed=0)
    assert np.bincount(limited.labels).tolist() == [10, 10]
    assert all(
        images.labels[path] == label
        for path, label in zip(limited.paths, limited.labels, strict=True)
    )
    assert limited.paths != images.limited(10, seed=1).paths


@pytest.mark.parametrize(("real", "fake"), [(50, 50), (60, 40)])
def test_shuffled_labels_are_a_permutation_independent_of_the_class(real, fake):
    images = ImageList(tuple(range(real + fake)), np.repeat([0, 1], [real, fake]))
    shuffled = images.with_shuffled_labels(seed=0)
    assert shuffled.labels.sum() == fake
    shares = [shuffled.labels[images.labels == label].mean() for label in (0, 1)]
    assert shares[0] == pytest.approx(shares[1], abs=1 / real)
    assert not np.array_equal(
        shuffled.labels, images.with_shuffled_labels(seed=1).labels
    )
