import csv
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.__main__ import main
from examples.deepfake_v3.audit import FOUND, audit_data_dir
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS
from test_support.scenes import save, scene

COUNTS = {"train": 50, "val": 30, "test": 30}
GRAIN = {"real": 2.0, "fake": 5.0}  # what a detector may go by


def make_set(root, counts=COUNTS, **options):
    """A clean set: JPEG files of one quality, all scenes new, a group for each two."""
    rows = []
    for s, split in enumerate(SPLITS):
        for c, name in enumerate(CLASS_NAMES):
            for i in range(counts[split]):
                file = f"{split}/{name}/{i:03d}.jpg"
                save(root / file, scene([s, c, i], GRAIN[name]), quality=90)
                rows.append((file, f"{split}-{i // 2}"))
    with (root / "groups.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "group"), *rows])
    return root


def same_grain(root):
    """The same set without anything that file sizes would tell."""
    for path in root.rglob("*.jpg"):
        with Image.open(path) as image:
            image.load()
        image.save(path.with_suffix(".bmp"))
        path.unlink()
    manifest = root / "groups.csv"
    manifest.write_text(manifest.read_text().replace(".jpg", ".bmp"))
    return root


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return same_grain(make_set(tmp_path_factory.mktemp("clean")))


def exchange(first, second):
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A set with every defect, and its audit."""
    root = make_set(tmp_path_factory.mktemp("planted"))
    for path in root.glob("*/fake/*.jpg"):  # format leak
        with Image.open(path) as image:
            image.load()
        image.save(path, quality=60, subsampling=0)
    shutil.copy(root / "train/real/000.jpg", root / "val/real/exact.jpg")
    with Image.open(root / "train/real/001.jpg") as image:
        image.resize((64, 64)).save(root / "test/real/near.jpg", quality=70)
    with (root / "groups.csv").open("a", newline="") as stream:
        csv.writer(stream).writerows(
            [("val/real/exact.jpg", "train-0"), ("test/real/near.jpg", "new")]
        )
    (root / "val/fake/truncated.jpg").write_bytes(
        (root / "val/fake/000.jpg").read_bytes()[:300]
    )
    exchange(root / "test/real", root / "test/fake")
    manifest = (root / "groups.csv").read_text()
    swapped = {"test/real": "test/fake", "test/fake": "test/real"}
    (root / "groups.csv").write_text(
        re.sub("test/(real|fake)", lambda match: swapped[match[0]], manifest)
    )
    reports = tmp_path_factory.mktemp("reports")
    return audit_data_dir(data_dir=str(root), reports_dir=str(reports)), reports


def warned(result, pattern):
    return [text for text in result["warnings"] if re.search(pattern, text)]


def test_clean_set_gives_no_warning_and_exit_code_0(clean, tmp_path):
    main(["audit", "--data-dir", str(clean), "--reports-dir", str(tmp_path)])
    result = json.loads((tmp_path / "audit.json").read_text())
    assert result["warnings"] == []
    assert result["counts"]["val"] == {"real": 30, "fake": 30}
    assert result["groups"]["count"] == 55
    # The test means something: the classes differ, and the audit can see it.
    assert result["content"]["value"] > 0.9
    assert min(row["value"] for row in result["directions"]) > 0.9


def test_warnings_give_their_own_exit_code(data_dir, tmp_path):
    shutil.copy(data_dir / "train/real/0.png", data_dir / "val/real/copy.png")
    with pytest.raises(SystemExit) as exit_:
        main(["audit", "--data-dir", str(data_dir), "--reports-dir", str(tmp_path)])
    assert exit_.value.code == FOUND
    assert FOUND not in (0, 1, 2)


def test_format_leak_is_found_with_the_fact_that_drives_it(planted):
    leak = planted[0]["leak"]
    assert leak["value"] > 0.6 and leak["low"] > 0.5
    assert warned(planted[0], r"only file facts reaches AUC 0\.\d\d ")
    alone = {fact["name"]: fact["auc"] for fact in leak["facts"]}
    assert alone["jpeg_quality"] > 0.6 and alone["chroma_subsampling"] > 0.6


def test_exact_duplicates_across_splits_are_found(planted):
    (found,) = planted[0]["exact_duplicates"]
    assert set(found["files"]) == {"train/real/000.jpg", "val/real/exact.jpg"}
    assert found["across_splits"] and not found["across_classes"]
    assert warned(planted[0], r"1 set of exact duplicates \(2 files\) across splits")


def test_near_duplicates_across_splits_are_found(planted):
    (found,) = planted[0]["near_duplicates"]
    assert set(found["files"]) == {"train/real/001.jpg", "test/fake/near.jpg"}
    assert found["distance"] <= 4
    assert warned(planted[0], r"near duplicates \(2 files\) across splits")


def test_groups_across_splits_are_found_by_the_manifest_in_the_set(planted):
    groups = planted[0]["groups"]
    (found,) = groups["across_splits"]
    assert found["group"] == "train-0"
    assert found["images"] == {"train": 4, "val": 1, "test": 0}
    assert warned(planted[0], "In more than one split: 1 of 56 groups")


def test_inverted_split_is_found(planted):
    (text,) = warned(planted[0], "inverted")
    assert text.startswith("test looks inverted")


@pytest.mark.parametrize("split", ["train", "val"])
def test_any_split_that_is_inverted_is_the_one_that_is_named(clean, tmp_path, split):
    shutil.copytree(clean, tmp_path / "set")
    exchange(tmp_path / "set" / split / "real", tmp_path / "set" / split / "fake")
    (tmp_path / "set" / "groups.csv").unlink()
    result = audit_data_dir(
        data_dir=str(tmp_path / "set"), reports_dir=str(tmp_path / "reports")
    )
    (text,) = result["warnings"]
    assert text.startswith(f"{split} looks inverted")
    assert "by colour and noise" in text


def test_unusable_files_are_listed_with_their_reason(planted):
    (found,) = planted[0]["unusable"]
    assert found["file"] == "val/fake/truncated.jpg" and found["reason"]


def test_page_shows_what_was_found_and_needs_no_other_file(planted):
    page = (planted[1] / "audit.html").read_text("utf-8")
    for found in ("val/real/exact.jpg", "near.jpg", "train-0", "truncated.jpg"):
        assert found in page
    assert page.count("data:image/jpeg;base64,") > 10
    assert not re.search(r"<script|<link|https?://|src=\"(?!data:)|url\(", page)
    assert "width=device-width" in page and "prefers-color-scheme: dark" in page


def test_groups_come_from_file_names_by_a_pattern(tmp_path):
    for split, video in (("train", "v1"), ("train", "v2"), ("test", "v2")):
        for name in CLASS_NAMES:
            seed = [len(split), int(video[1]), len(name), ord(name[0])]
            save(tmp_path / split / name / f"{video}_7.png", scene(seed))
    result = audit_data_dir(
        data_dir=str(tmp_path),
        reports_dir=str(tmp_path / "reports"),
        group_pattern=r"^(v\d)_",
    )
    (found,) = result["groups"]["across_splits"]
    assert found["group"] == "v2"
    assert found["images"] == {"train": 2, "val": 0, "test": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_pattern": "nothing"}, r"matches none of 12 files.*group_pattern="),
        ({"group_pattern": "("}, "regular expression.*group_pattern="),
        ({"groups": "g.csv", "group_pattern": "."}, "not both"),
        ({"near_duplicate_distance": 40}, "near_duplicate_distance=40"),
    ],
)
def test_bad_options_are_errors(data_dir, options, message):
    with pytest.raises(ValueError, match=message):
        audit_data_dir(data_dir=str(data_dir), **options)


def test_manifest_of_other_files_is_an_error(data_dir, tmp_path):
    (tmp_path / "groups.csv").write_text("file,group\nelsewhere.jpg,a\n")
    with pytest.raises(ValueError, match=r"names none of the files.*groups="):
        audit_data_dir(data_dir=str(data_dir), groups=str(tmp_path / "groups.csv"))


def test_leak_that_splits_hide_from_one_another_is_found(clean, tmp_path):
    shutil.copytree(clean, tmp_path / "set")
    leaking = {"train": "real", "val": "fake", "test": "fake"}
    for split, name in leaking.items():
        for path in (tmp_path / "set" / split / name).iterdir():
            path.write_bytes(path.read_bytes() + b" ")  # behind the picture
    result = audit_data_dir(
        data_dir=str(tmp_path / "set"), reports_dir=str(tmp_path / "reports")
    )
    assert result["leak"]["value"] < 0.6
    for split in SPLITS:
        assert warned(result, rf"file facts reaches AUC 1\.00 .* inside {split}")


def test_directory_without_images_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`data_dir` must hold.*data_dir="):
        audit_data_dir(data_dir=str(tmp_path))


def test_missing_and_empty_classes_are_warnings(data_dir, tmp_path):
    shutil.rmtree(data_dir / "val" / "fake")
    for path in (data_dir / "test" / "real").iterdir():
        path.unlink()
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert result["warnings"] == [
        "No usable image in val/fake.",
        "No usable image in test/real.",
    ]
    assert result["leak"]["value"] is None
    assert "fewer than" in result["leak"]["reason"]


def test_set_without_any_usable_image_is_audited(data_dir, tmp_path):
    for path in data_dir.rglob("*.png"):
        path.write_bytes(b"no picture")
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert "Not usable: 12 files." in result["warnings"]
    assert len(warned(result, "No usable image")) == 6


def test_one_class_alone_is_audited(data_dir, tmp_path):
    for split in SPLITS:
        shutil.rmtree(data_dir / split / "fake")
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert len(warned(result, "No usable image in .*/fake")) == 3


def test_imbalance_is_a_note(data_dir, tmp_path):
    for index in range(4):
        save(data_dir / "train" / "fake" / f"more{index}.png", scene(index))
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert "train has 3.0 fake images for one real image." in result["notes"]
    assert result["warnings"] == []


def test_same_pixels_in_both_classes_are_a_warning(data_dir, tmp_path):
    with Image.open(data_dir / "train/real/0.png") as image:
        image.save(data_dir / "train/fake/other.bmp")
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert warned(result, r"exact duplicates \(2 files\) in both classes")


def test_names_that_say_the_other_class_are_a_warning(data_dir, tmp_path):
    for path in (data_dir / "train" / "real").iterdir():
        path.rename(path.with_name(f"fake_{path.name}"))
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert warned(result, "2 of 2 files in train/real have the other class in their")
    assert json.loads((tmp_path / "audit.json").read_text()) == result


def test_links_count_as_the_file_they_lead_to(data_dir, tmp_path):
    (data_dir / "val/real/link.png").symlink_to(data_dir / "train/real/0.png")
    (data_dir / "val/real/broken.png").symlink_to(data_dir / "nowhere.png")
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert result["exact_duplicates"][0]["files"] == [
        "train/real/0.png",
        "val/real/link.png",
    ]
    assert [each["file"] for each in result["unusable"]] == ["val/real/broken.png"]


def test_any_file_name_is_shown_and_nothing_in_it_is_markup(data_dir, tmp_path):
    names = ["<b>bold&.png", "写真é🙂.png", os.fsdecode(b"latin-\xe9.png")]
    for name in names:
        shutil.copy(data_dir / "train/real/0.png", data_dir / "val/real" / name)
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert {f"val/real/{name}" for name in names} < set(
        result["exact_duplicates"][0]["files"]
    )
    assert json.loads((tmp_path / "audit.json").read_text()) == result
    page = (tmp_path / "audit.html").read_text("utf-8")
    assert "&lt;b&gt;bold&amp;.png" in page and "<b>bold" not in page
    assert "写真é🙂.png" in page and r"latin-\udce9.png" in page


def test_audit_does_not_touch_the_set(clean, tmp_path):
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in clean.rglob("*.*")}
    audit_data_dir(data_dir=str(clean), reports_dir=str(tmp_path))
    assert before == {
        p: (p.stat().st_mtime_ns, p.read_bytes()) for p in clean.rglob("*.*")
    }


def test_flat_images_are_no_near_duplicates(data_dir, tmp_path):
    for split in SPLITS:
        shade = {"train": 1, "val": 2, "test": 3}[split]
        pixels = np.full((40, 40, 3), shade, "uint8")
        save(data_dir / split / "real" / "flat.png", pixels)
    result = audit_data_dir(data_dir=str(data_dir), reports_dir=str(tmp_path))
    assert result["near_duplicates"] == []
    assert "Too flat to look for near duplicates: 3 images." in result["notes"]


def test_smoother_fakes_are_warned_of_by_name_and_noisier_ones_noted(
    clean, tmp_path_factory
):
    result = audit_data_dir(data_dir=clean, reports_dir=clean / "reports")
    assert not result["warnings"]
    assert any("Smoothness alone" in note for note in result["notes"])
    root = tmp_path_factory.mktemp("smooth")
    for split in ("train", "test"):
        for name, other in zip(CLASS_NAMES, reversed(CLASS_NAMES), strict=True):
            shutil.copytree(clean / split / other, root / split / name)
    result = audit_data_dir(data_dir=root, reports_dir=root / "reports")
    (warning,) = (text for text in result["warnings"] if "No usable" not in text)
    assert re.match(r"Smoothness alone.* AUC 1\.00 .*resized or filtered", warning)
    assert result["smoothness"]["value"] > result["smoothness"]["warning_above"]


def test_sets_of_equal_noise_get_no_word_on_smoothness(tmp_path):
    for split in SPLITS:
        for c, name in enumerate(CLASS_NAMES):
            for i in range(20):
                save(tmp_path / split / name / f"{i}.bmp", scene([9, c, i], 3.0))
    result = audit_data_dir(data_dir=tmp_path, reports_dir=tmp_path / "reports")
    assert result["smoothness"]["value"] < 0.75
    assert not any("Smoothness" in text for text in result["notes"])
