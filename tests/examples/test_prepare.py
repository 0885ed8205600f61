import csv
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter

import pytest
from PIL import Image

from examples.deepfake_v3 import prepare
from examples.deepfake_v3.__main__ import main
from examples.deepfake_v3.audit import audit_data_dir
from examples.deepfake_v3.auditing.file_facts import read_file_facts
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS, check_data_dir
from examples.deepfake_v3.prepare import prepare_data_dir
from examples.deepfake_v3.preparing import sources
from test_support.scenes import save, scene
from tests.backend import ROOT

COUNT = 20  # images in each of the four folders


@pytest.fixture
def source(tmp_path):
    """Two data sets with a real and a fake folder each, PNG and JPEG."""
    root = tmp_path / "source"
    for s, (name, suffix) in enumerate((("a", "png"), ("b", "jpg"))):
        for label, class_name in enumerate(CLASS_NAMES):
            for i in range(COUNT):
                path = root / name / class_name / f"v{i // 2}" / f"{i}.{suffix}"
                save(path, scene([s, label, i]))
    return root


def folders(root):
    return {
        name: tuple(str(root / each / name) for each in "ab") for name in CLASS_NAMES
    }


def tree(directory):
    """Everything below a directory: names, bytes and links."""
    return {
        path.relative_to(directory).as_posix(): path.is_file() and path.read_bytes()
        for path in directory.rglob("*")
    }


def images(directory):
    """The result without the record of how it was made, which names the folders."""
    files = tree(directory)
    files.pop("prepare.json")
    return files


def rows(path):
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_every_image_goes_to_one_place_in_the_wanted_shares(source, tmp_path):
    output = tmp_path / "out"
    result = prepare_data_dir(**folders(source), output_dir=str(output))
    assert result["counts"] == {
        "train": {"real": 32, "fake": 32},
        "val": {"real": 4, "fake": 4},
        "test": {"real": 4, "fake": 4},
    }
    manifest = rows(output / "manifest.csv")
    assert sorted(row["source"] for row in manifest) == sorted(
        p.relative_to(source).as_posix() for p in source.rglob("*.*g")
    )
    # Of each data set, too.
    assert Counter(r["source"][0] for r in manifest if r["split"] == "train") == {
        "a": 32,
        "b": 32,
    }
    for row in manifest:
        copy, original = output / row["file"], source / row["source"]
        assert copy.read_bytes() == original.read_bytes()
        assert row["file"].startswith(f"{row['split']}/{row['class']}/")
        assert f"/{row['class']}/" in row["source"]
    assert {split: len(each) for split, each in check_data_dir(output).items()} == {
        "train": 64,
        "val": 8,
        "test": 8,
    }


def test_sources_are_not_touched(source, tmp_path):
    def state():
        return tree(source), {p: p.stat().st_mtime_ns for p in source.rglob("*")}

    before = state()
    for quality in (None, 90):
        prepare_data_dir(
            **folders(source),
            output_dir=str(tmp_path / f"out{quality}"),
            jpeg_quality=quality,
        )
    assert state() == before


def test_result_does_not_depend_on_order_or_place(source, tmp_path, monkeypatch):
    prepare_data_dir(**folders(source), output_dir=str(tmp_path / "one"))
    shutil.copytree(source, tmp_path / "elsewhere" / "copy")
    list_files = sources.list_files
    monkeypatch.setattr(sources, "list_files", lambda folder: list_files(folder)[::-1])
    swapped = {
        name: given[::-1]
        for name, given in folders(tmp_path / "elsewhere" / "copy").items()
    }
    prepare_data_dir(**swapped, output_dir=str(tmp_path / "two"))
    assert images(tmp_path / "one") == images(tmp_path / "two")


def test_seed_draws_another_split(source, tmp_path):
    for seed in (0, 1):
        prepare_data_dir(
            **folders(source), output_dir=str(tmp_path / str(seed)), seed=seed
        )
    first, second = (
        {row["source"]: row["split"] for row in rows(tmp_path / seed / "manifest.csv")}
        for seed in "01"
    )
    assert first.keys() == second.keys() and first != second


def splits_of(output, key):
    """The splits of the images that `key(row)` says belong together."""
    found = {}
    for row in rows(output / "manifest.csv"):
        found.setdefault(key(row), set()).add(row["split"])
    return found


@pytest.mark.parametrize("given", ["pattern", "manifest"])
def test_groups_stay_together_across_classes(source, tmp_path, given):
    def group(name):
        return name.split("/")[0] + name.split("/")[2]  # data set and video

    if given == "pattern":
        options = {"group_pattern": r"^(\w)/\w+/(v\d+)/"}
    else:
        files = [p.relative_to(source).as_posix() for p in source.rglob("*.*g")]
        with (source / "groups.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(
                [("file", "group"), *((name, group(name)) for name in files)]
            )
        options = {"groups": (str(source / "groups.csv"),)}
    output = tmp_path / "out"
    prepare_data_dir(**folders(source), output_dir=str(output), **options)
    found = splits_of(output, lambda row: group(row["source"]))
    assert len(found) == COUNT
    assert all(len(splits) == 1 for splits in found.values())
    assert set.union(*found.values()) == set(SPLITS)


def test_groups_that_share_an_image_stay_together(source, tmp_path):
    # The same frame is in videos 0 and 1, and in 1 and 2.
    shutil.copy(source / "a/real/v0/0.png", source / "a/real/v1/same.png")
    shutil.copy(source / "a/real/v1/2.png", source / "a/real/v2/same.png")
    output = tmp_path / "out"
    prepare_data_dir(
        **folders(source),
        output_dir=str(output),
        group_pattern=r"^(\w)/\w+/(v\d+)/",
    )
    by_group = splits_of(output, lambda row: row["group"])
    assert all(len(splits) == 1 for splits in by_group.values())
    videos = {
        row["group"]
        for row in rows(output / "manifest.csv")
        if row["source"].startswith(("a/real/v0/", "a/fake/v1/", "a/real/v2/"))
    }
    assert videos == {"a/v0"}


def test_exact_duplicates_become_one_and_contradictions_none(source, tmp_path):
    with Image.open(source / "a/real/v0/0.png") as image:
        image.save(source / "b/real/v0/again.bmp")
    shutil.copy(source / "a/real/v0/1.png", source / "b/fake/v0/contradiction.png")
    output = tmp_path / "out"
    result = prepare_data_dir(**folders(source), output_dir=str(output))
    reasons = {row["file"]: row["reason"] for row in rows(output / "quarantine.csv")}
    both = "same pixels in both classes: a/real/v0/1.png, b/fake/v0/contradiction.png"
    assert reasons == {
        "b/real/v0/again.bmp": "same pixels as a/real/v0/0.png",
        "a/real/v0/1.png": both,
        "b/fake/v0/contradiction.png": both,
    }
    assert result["left_out"] == 3


@pytest.mark.parametrize("choice", ["together", "one"])
def test_near_duplicates_stay_together_or_become_one(source, tmp_path, choice):
    for i in range(8):
        with Image.open(source / f"a/real/v{i // 2}/{i}.png") as image:
            image.save(source / f"a/real/again{i}.jpg", quality=60)
            image.save(source / f"b/fake/made_from{i}.jpg", quality=55)
    output = tmp_path / "out"
    prepare_data_dir(**folders(source), output_dir=str(output), near_duplicates=choice)
    manifest = rows(output / "manifest.csv")
    found = {row["source"]: row["split"] for row in manifest}
    for i in range(8):
        first = "a/real/" + (
            f"again{i}.jpg" if choice == "one" else f"v{i // 2}/{i}.png"
        )
        assert found[first] == found[f"b/fake/made_from{i}.jpg"]
    left_out = rows(output / "quarantine.csv")
    assert len(manifest) + len(left_out) == 4 * COUNT + 16
    assert len(left_out) == {"together": 0, "one": 8}[choice]
    assert all("near duplicate of a/real/again" in row["reason"] for row in left_out)


def test_balance_leaves_out_images_of_the_larger_class(source, tmp_path):
    for path in (source / "b" / "fake").rglob("*.jpg"):
        path.unlink()
    output = tmp_path / "out"
    result = prepare_data_dir(**folders(source), output_dir=str(output), balance=True)
    assert result["counts"] == {
        "train": {"real": 16, "fake": 16},
        "val": {"real": 2, "fake": 2},
        "test": {"real": 2, "fake": 2},
    }
    reasons = {row["reason"] for row in rows(output / "quarantine.csv")}
    assert reasons == {"left out to balance the classes"}


def test_encoded_anew_the_format_tells_nothing(source, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    for path in (source / "b" / "real").rglob("*.jpg"):
        with Image.open(path) as image:
            image.load()
        image.save(path, exif=exif, dpi=(72, 72), quality=40)
    output = tmp_path / "out"
    prepare_data_dir(**folders(source), output_dir=str(output), jpeg_quality=90)
    facts = [read_file_facts(p) for p in output.glob("*/*/*")]
    assert len(facts) == 4 * COUNT
    for each in facts:
        each.pop("bytes_per_pixel")
    assert all(each == facts[0] for each in facts)
    assert facts[0]["jpeg_quality"] == 90
    assert facts[0]["chroma_subsampling"] == "4:2:0"
    assert facts[0]["has_exif"] == facts[0]["has_dpi"] == 0


def test_audit_reads_the_groups_of_the_result(source, tmp_path):
    prepare_data_dir(
        **folders(source),
        output_dir=str(tmp_path / "out"),
        group_pattern=r"^(\w)/\w+/(v\d+)/",
    )
    result = audit_data_dir(
        data_dir=str(tmp_path / "out"), reports_dir=str(tmp_path / "reports")
    )
    assert result["groups"]["count"] == COUNT
    assert result["groups"]["images_without"] == 0
    assert result["groups"]["across_splits"] == []


KILLED = """
import os, signal
from examples.deepfake_v3 import prepare
from examples.deepfake_v3.preparing import sources
from pathlib import Path

count = 0
def counted(function, at):
    def call(*arguments, **options):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

def half(path, content):
    # What a killed process leaves of a file.
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

where = {where!r}
if where == "reading":
    sources.perceptual_hash = counted(sources.perceptual_hash, 30)
elif where == "writing":
    prepare._write_image = counted(prepare._write_image, 40)
elif where == "half a file":
    Path.write_bytes = half
elif where == "lists":
    prepare._write_rows = counted(prepare._write_rows, 3)
prepare.prepare_data_dir(real={real!r}, fake={fake!r}, output_dir={output!r})
"""


@pytest.mark.parametrize("where", ["reading", "writing", "half a file", "lists"])
def test_killed_at_any_moment_it_goes_on_and_ends_alike(source, tmp_path, where):
    output = tmp_path / "out"
    code = KILLED.format(where=where, output=str(output), **folders(source))
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert not (output / "manifest.csv").exists()
    prepare_data_dir(**folders(source), output_dir=str(output))
    prepare_data_dir(**folders(source), output_dir=str(tmp_path / "whole"))
    assert tree(output) == tree(tmp_path / "whole")


def test_what_was_read_is_not_read_again(source, tmp_path, monkeypatch):
    output = tmp_path / "out"

    def stop(*_):
        raise OSError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(prepare, "_check_space", stop)
        with pytest.raises(OSError, match="stopped"):
            prepare_data_dir(**folders(source), output_dir=str(output))
    # A line that was cut in the middle is of no use.
    record = output / prepare.INSPECTED
    record.write_bytes(record.read_bytes()[:-10])
    read = []
    inspect = sources._inspect
    monkeypatch.setattr(sources, "_inspect", lambda p: read.append(p) or inspect(p))
    prepare_data_dir(**folders(source), output_dir=str(output))
    assert len(read) == 1


def test_finished_job_is_left_as_it_is(source, tmp_path, capsys):
    output = tmp_path / "out"
    first = prepare_data_dir(**folders(source), output_dir=str(output))
    before = {p: p.stat().st_mtime_ns for p in output.rglob("*.*g")}
    assert prepare_data_dir(**folders(source), output_dir=str(output)) == first
    assert before == {p: p.stat().st_mtime_ns for p in output.rglob("*.*g")}
    assert "is finished" in capsys.readouterr().out


def test_lost_files_of_a_finished_job_come_back(source, tmp_path):
    output = tmp_path / "out"
    prepare_data_dir(**folders(source), output_dir=str(output))
    before = tree(output)
    next(output.glob("train/real/*")).unlink()
    prepare_data_dir(**folders(source), output_dir=str(output))
    assert tree(output) == before


def test_other_options_or_sources_are_refused(source, tmp_path):
    output = str(tmp_path / "out")
    prepare_data_dir(**folders(source), output_dir=output)
    with pytest.raises(FileExistsError, match=r"differ in seed, split\."):
        prepare_data_dir(
            **folders(source), output_dir=output, seed=1, split=(0.6, 0.2, 0.2)
        )
    save(source / "a" / "real" / "new.png", scene(1))
    with pytest.raises(FileExistsError, match=r"differ in source_files"):
        prepare_data_dir(**folders(source), output_dir=output)


def test_directory_with_other_files_is_refused(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"new or empty.*output_dir="):
        prepare_data_dir(**folders(source), output_dir=str(tmp_path / "out"))
    assert tree(tmp_path / "out") == {"mine.txt": b"mine"}


def test_source_that_changes_between_reading_and_copying_stops_the_run(
    source, tmp_path, monkeypatch
):
    plan = prepare.make_plan

    def change(*arguments):
        victim = source / "a/real/v0/0.png"
        content = victim.read_bytes()
        victim.write_bytes(content[:-1] + b"x")
        return plan(*arguments)

    monkeypatch.setattr(prepare, "make_plan", change)
    with pytest.raises(ValueError, match=r"0\.png changed while it was used"):
        prepare_data_dir(**folders(source), output_dir=str(tmp_path / "out"))


@pytest.mark.parametrize("quality", [None, 90])
def test_full_disk_is_an_error_before_the_first_image(
    source, tmp_path, monkeypatch, quality
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: usage._replace(free=prepare.SPARE + 1000)
    )
    with pytest.raises(OSError, match=r"GB free and needs .*output_dir="):
        prepare_data_dir(
            **folders(source), output_dir=str(tmp_path / "out"), jpeg_quality=quality
        )
    assert not list((tmp_path / "out").glob("*/*/*"))


def test_place_that_cannot_be_written_is_an_error(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"can't be written.*output_dir="):
        prepare_data_dir(**folders(source), output_dir=str(tmp_path / "file" / "out"))


def test_too_few_groups_are_an_error(source, tmp_path):
    with pytest.raises(
        ValueError,
        match=r"'real' is too small: nothing is left for val, test. .* 40 images in 1 ",
    ):
        prepare_data_dir(
            **folders(source), output_dir=str(tmp_path / "out"), group_pattern="(/)"
        )


def test_class_without_usable_images_is_an_error(source, tmp_path):
    for path in source.rglob("fake/*/*.*g"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no usable image of class 'fake'.*v0/0"):
        prepare_data_dir(**folders(source), output_dir=str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fake": ()}, ValueError, r"must each name a folder.*fake=\(\)"),
        ({"fake": ("nowhere",)}, FileNotFoundError, "nowhere"),
        ({"split": (1, 0, 0)}, ValueError, r"split=\(1, 0, 0\)"),
        ({"split": (0.8, 0.1, 0.2)}, ValueError, "split="),
        ({"jpeg_quality": 101}, ValueError, "jpeg_quality=101"),
        ({"near_duplicates": "none"}, ValueError, "near_duplicates='none'"),
        ({"near_duplicate_distance": -1}, ValueError, "near_duplicate_distance=-1"),
        ({"groups": ("g",), "group_pattern": "x"}, ValueError, "not both"),
        ({"group_pattern": "nothing"}, ValueError, "matches none"),
    ],
)
def test_bad_options_are_errors_and_leave_nothing(
    source, tmp_path, options, error, message
):
    output = tmp_path / "out"
    with pytest.raises(error, match=message):
        prepare_data_dir(**{**folders(source), "output_dir": str(output), **options})
    assert not output.exists()


@pytest.mark.parametrize("output", ["a/real/out", "a", "."])
def test_folders_inside_one_another_are_an_error(source, output):
    with pytest.raises(ValueError, match="none of which holds another"):
        prepare_data_dir(**folders(source), output_dir=str(source / output))
    assert len(tree(source)) == 4 * (COUNT + COUNT // 2 + 1) + 2


def test_same_folder_as_real_and_fake_is_an_error(source, tmp_path):
    folder = (str(source / "a"),)
    with pytest.raises(ValueError, match="none of which holds another"):
        prepare_data_dir(real=folder, fake=folder, output_dir=str(tmp_path / "out"))


def test_dark_corners_are_in_the_manifest_or_in_the_quarantine(source, tmp_path):
    folder = source / "a" / "real"
    (folder / "empty").mkdir()
    (folder / "nothing.jpg").touch()
    (folder / "broken.png").symlink_to(folder / "nowhere.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "link.png").symlink_to(folder / "v0" / "0.png")
    (folder / ".hidden.png").touch()
    odd = ["写真é🙂.png", os.fsdecode(b"latin-\xe9.png"), "a,b\"c'\n.png"]
    for seed, name in enumerate(odd):
        save(folder / name, scene([7, seed]), format="PNG")
    output = tmp_path / "out"
    prepare_data_dir(**folders(source), output_dir=str(output))
    left_out = {row["file"]: row["reason"] for row in rows(output / "quarantine.csv")}
    assert left_out.keys() == {
        f"a/real/{name}"
        for name in ("nothing.jpg", "broken.png", "circle.png", "v0/0.png")
    }
    assert left_out["a/real/v0/0.png"] == "same pixels as a/real/link.png"
    used = {row["source"]: row["file"] for row in rows(output / "manifest.csv")}
    assert {f"a/real/{name}" for name in odd} < used.keys()
    copy = output / used["a/real/link.png"]
    assert not copy.is_symlink() and copy.is_file()


def test_command_line(source, tmp_path, capsys):
    given = folders(source)
    command = ["prepare", "--real", *given["real"], "--fake", *given["fake"]]
    command += ["--output-dir", str(tmp_path / "out")]
    main([*command, "--split", "0.5", "0.25", "0.25"])
    assert "train: 20 real, 20 fake" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="error: `output_dir` holds"):
        main(command)
