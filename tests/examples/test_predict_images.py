"""`predict`: every file gets its row, whatever it holds."""

import csv
import dataclasses
import io
import json
import re
import types

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3 import Detector, predict_images
from examples.deepfake_v3 import __main__ as command_line
from examples.deepfake_v3.evaluation.scoring import run_on_images
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.model_files.evidence import Evidence
from examples.deepfake_v3.model_files.metadata import replace_metadata
from examples.deepfake_v3.prediction.prediction import Prediction, View
from test_support.brightness import (
    SIZE,
    metadata_with,
    save_brightness_detector,
    save_brightness_model,
)

pytestmark = pytest.mark.backends

THRESHOLD = 0.3
SCORES = {"bright.png": 0.8, "dark.png": 0.2, "more/grey.png": 0.4}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_brightness_detector(path, THRESHOLD)
    return path


@pytest.fixture(scope="module")
def detector(model):
    return Detector.load(model)


@pytest.fixture
def images(tmp_path):
    """A folder with images of known scores, a broken one, and other files."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    for name, level in {
        "dark.png": 51,
        "bright.png": 204,
        "more/grey.png": 102,
    }.items():
        Image.fromarray(np.full((40, 50, 3), level, "uint8")).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_bytes(b"hidden")
    return folder


def run(model, *arguments):
    """Runs the command; its exit code."""
    try:
        command_line.main(["predict", *map(str, arguments), "--model-path", str(model)])
    except SystemExit as exit_:
        return exit_.code
    return 0


def test_folder_gives_a_row_for_each_image_and_the_code_for_unreadable_ones(
    model, images, capsys
):
    assert run(model, images, "--format", "jsonl") == predict_images.UNREADABLE == 3
    out, err = capsys.readouterr()
    rows = {
        row["file"].removeprefix(f"{images}/"): row
        for row in map(json.loads, out.splitlines())
    }
    assert list(rows) == ["bright.png", "broken.jpg", "dark.png", "more/grey.png"]
    for name, score in SCORES.items():
        assert rows[name]["score"] == pytest.approx(score, abs=1e-5)
        assert rows[name]["verdict"] == ("fake" if score >= THRESHOLD else "real")
        odds = (score / (1 - score)) ** 0.5  # at temperature 2
        assert rows[name]["probability"] == pytest.approx(odds / (1 + odds), abs=1e-5)
        assert rows[name]["error"] is None
    assert rows["broken.jpg"]["score"] is rows["broken.jpg"]["verdict"] is None
    assert "JPEG with a damaged header" in rows["broken.jpg"]["error"]
    assert "1 of 4 files could not be read" in err
    assert "1 .txt" in err


def test_exit_code_is_0_when_all_are_scored(model, images, capsys):
    assert run(model, images / "dark.png", images / "bright.png") == 0
    out = capsys.readouterr().out.splitlines()
    titles, dark, bright = (re.split("  +", line) for line in out)
    assert titles == ["verdict", "probability", "score", "why", "size", "seen", "file"]
    seen = ["50x40", "51.2%"]
    flat = "[flat, without a picture]"
    below, above = (f"{side} the threshold 0.3" for side in ("below", "above"))
    assert dark == [
        *("real", "0.3333", "0.2000", below, *seen, f"{images}/dark.png", flat)
    ]
    assert bright == [
        *("fake", "0.6667", "0.8000", above, *seen, f"{images}/bright.png", flat)
    ]


def test_a_verdict_that_contradicts_its_probability_says_why(tmp_path, capsys):
    save_brightness_detector(tmp_path / "model.keras", 0.03)
    Image.new("RGB", (40, 40), (10, 10, 10)).save(tmp_path / "dark.png")
    for form in ("table", "jsonl", "csv"):
        assert (
            run(tmp_path / "model.keras", tmp_path / "dark.png", "--format", form) == 0
        )
        out = capsys.readouterr().out
        assert "fake" in out and "above the threshold 0.03" in out
    assert "threshold" in out.splitlines()[0].split(",")
    assert "0.03" in out.splitlines()[1].split(",")


@pytest.mark.parametrize(
    ("score", "threshold", "why"),
    [
        (0.35421, 0.35439, "below the threshold 0.3544"),
        (0.35459, 0.35439, "above the threshold 0.354"),
        (0.99971, 0.99961, "above the threshold 0.9996"),
        (0.5, 0.5, "above the threshold 0.5"),
        (0.0, 0.00012, "below the threshold 0.00012"),
        (1.0, 1.0, "above the threshold 1"),
    ],
)
def test_threshold_and_score_are_never_seen_on_the_wrong_side(score, threshold, why):
    assert Prediction(file=None, score=score, threshold=threshold).why == why


def test_a_threshold_without_support_is_warned_of(tmp_path, images, capsys):
    evidence = Evidence(
        real=20,
        fake=2,
        auc=0.19,
        auc_low=0.0,
        auc_high=0.45,
        false_alarms=20,
        misses=0,
    )
    save_brightness_model(tmp_path / "weak.keras")
    metadata = dataclasses.replace(metadata_with(THRESHOLD), evidence=evidence)
    replace_metadata(tmp_path / "weak.keras", metadata)
    assert run(tmp_path / "weak.keras", images / "dark.png") == 0
    out, err = capsys.readouterr()
    assert "the threshold has little support" in out.splitlines()[1]
    assert "WARNING: The threshold was chosen on 2 fake images of val" in err
    assert "AUC 0.190 (0.000 to 0.450). Are the folders exchanged?" in err
    assert "20 of 20 real images of val are called fake" in err


def test_what_is_no_image_is_a_row_and_no_failure(model, images, capsys):
    (images / "scan.pdf").write_bytes(b"%PDF-1.7")
    (images / "animation.gif").write_bytes(b"GIF89a" + bytes(60))
    named = [images / name for name in ("notes.txt", "scan.pdf", "dark.png")]
    assert run(model, *named) == 0
    out, err = capsys.readouterr()
    assert "[not an image: PDF]" in out and "2 of 3 files are no images" in err
    # Unless nothing else was given: somebody expects scores.
    assert run(model, images / "notes.txt") == 3
    assert "predict - < LIST" in capsys.readouterr().err
    # An image that is not read is one, and so is what is called one.
    assert run(model, images / "animation.gif") == 3
    (images / "page.jpg").write_bytes(b"<html>")
    assert run(model, images / "page.jpg") == 3


def test_missing_model_is_an_error_of_one_line(tmp_path, images):
    code = run(tmp_path / "none.keras", images)
    assert re.match(r"error: There is no model at `path`", code)


def test_nothing_to_score_is_an_error(model, tmp_path):
    assert "There is nothing to score" in run(model, tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--overlap", "1"],
        ["a.png", "--format", "xml"],
        ["--maps-dir", "m"],
    ],
)
def test_wrong_command_lines_are_refused(model, arguments):
    code = run(model, *arguments)
    assert code == 2 or str(code).startswith("error: `"), code


def test_globs_and_standard_input_name_files(model, images, monkeypatch, capsys):
    names = f"{images}/dark.png\r\n\n{images}/gone.png\n".encode() + b"caf\xe9.png\n"
    stdin = types.SimpleNamespace(buffer=io.BytesIO(names))
    monkeypatch.setattr("sys.stdin", stdin)
    code = run(model, f"{images}/**/g*.png", "-", "--format", "jsonl")
    assert code == predict_images.UNREADABLE
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["file"] for row in rows] == [
        f"{images}/more/grey.png",
        f"{images}/dark.png",
        f"{images}/gone.png",
        "caf\udce9.png",
    ]
    assert [row["score"] is None for row in rows] == [False, False, True, True]
    assert "No such file" in rows[2]["error"]


def test_csv_is_written_whole(model, images, tmp_path):
    output = tmp_path / "scores.csv"
    assert run(model, images, "--format", "csv", "--output", output) == 3
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == ["fake", "", "real", "fake"]
    assert float(rows[0]["score"]) == pytest.approx(0.8, abs=1e-5)
    assert not list(tmp_path.glob(".partial*"))


@pytest.fixture(scope="module")
def caveats(tmp_path_factory):
    """Images that a verdict says little of: `{name: warnings}` and their folder."""
    folder = tmp_path_factory.mktemp("caveats")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SIZE, SIZE, 3), "uint8")
    Image.fromarray(pixels).save(folder / "right.png")
    Image.fromarray(pixels[:8, :16]).save(folder / "small.png")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.fromarray(np.tile(pixels, (4, 375, 1))).save(folder / "wide.png")
    alpha = np.dstack([pixels, np.zeros((SIZE, SIZE), "uint8")])
    Image.fromarray(alpha).save(folder / "clear.png")
    half = Image.fromarray(pixels).quantize(64)
    half.putdata([0] * (SIZE**2 // 2) + [1] * (SIZE**2 // 2))
    half.save(folder / "half.png", transparency=0)
    Image.new("RGB", (SIZE, SIZE)).save(folder / "black.png")
    return folder, {
        "black.png": ["flat, without a picture"],
        "clear.png": ["1 of it transparent"],
        "dot.png": ["enlarged 32 times", "flat, without a picture"],
        "half.png": ["0.5 of it transparent"],
        "right.png": [],
        "small.png": ["enlarged 4 times"],
        "wide.png": ["only 0.00067 of it seen"],
    }


def test_every_row_says_what_to_bear_in_mind(model, caveats, capsys):
    folder, expected = caveats
    assert run(model, folder, "--format", "jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [row["file"].rpartition("/")[2] for row in rows]
    found = dict(zip(names, rows, strict=True))
    assert {name: row["warnings"] for name, row in found.items()} == expected
    wide, small = found["wide.png"], found["small.png"]
    assert (wide["width"], wide["height"], wide["enlarged"]) == (12_000, 128, 1)
    assert wide["seen"] == pytest.approx(SIZE**2 / (12_000 * 128))
    assert (small["seen"], small["enlarged"]) == (0.5, 4)
    for form in ("table", "csv"):
        assert run(model, folder, "--format", form) == 0
        out = capsys.readouterr().out
        for line in out.splitlines()[1:]:
            (name,) = (name for name in expected if name in line)
            assert "; ".join(expected[name]) in line
    assert "12000x128" not in out and "12000,128" in out


def test_tiles_see_all_of_an_image(detector, caveats):
    (wide,) = detector.predict(caveats[0] / "right.png", tiles=True)
    assert wide.view.seen == 1 and wide.view.warnings == ()


def test_marks_of_a_file_stand_beside_its_verdict(model, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0131] = "Midjourney 6"
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), "uint8")
    for name, options in (("said", {"exif": exif}), ("unsaid", {})):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", **options)
    assert run(model, tmp_path, "--format", "jsonl") == 0
    said, unsaid = map(json.loads, capsys.readouterr().out.splitlines())
    assert said["marks"] == ["generator: EXIF Software 'Midjourney 6'"]
    assert unsaid["marks"] == []
    assert said["score"] == unsaid["score"]
    for form in ("table", "csv"):
        assert run(model, tmp_path, "--format", form) == 0
        assert "generator: EXIF Software" in capsys.readouterr().out


def test_table_shows_letters_and_escapes_what_a_terminal_acts_on(
    model, tmp_path, capsys
):
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), "uint8")
    for name in ("Müller 写真 🙂", "two\nlines", "red \x1b[31m", "turned \u202e"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    assert run(model, tmp_path, "--format", "table") == 0
    table = capsys.readouterr().out
    assert "Müller 写真 🙂.png" in table
    assert r"two\nlines" in table and r"red \x1b[31m" in table
    assert r"turned \u202e" in table and "\u202e" not in table
    assert len(table.splitlines()) == 5


def test_failed_run_keeps_the_old_output(model, images, tmp_path, monkeypatch):
    output = tmp_path / "scores.csv"
    output.write_text("old")

    def fail(*args, **kwargs):
        view = View(width=50, height=40, seen=0.5, enlarged=1.0, warnings=())
        yield Prediction(
            file="dark.png",
            score=0.2,
            probability=0.3,
            verdict="real",
            threshold=0.3,
            view=view,
        )
        raise ValueError("on the way")

    monkeypatch.setattr(Detector, "stream", fail)
    with pytest.raises(ValueError, match="on the way"):
        run(model, images, "--output", output)
    assert output.read_text() == "old"


def test_scores_are_those_that_the_threshold_was_chosen_on(detector, tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for index in range(5):
        pixels = rng.integers(0, 256, (20 + 10 * index, 70, 3), "uint8")
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(pixels).save(paths[-1])
    outputs, _ = run_on_images(
        detector.model,
        ImageList(tuple(paths), np.array([0, 1, 0, 1, 0])),
        LostImages(replaced=False),
        batch_size=2,
    )
    found = [prediction.score for prediction in detector.predict(paths)]
    np.testing.assert_allclose(found, outputs[:, 0], atol=1e-6)


def test_tiles_see_what_the_centre_does_not(detector):
    image = np.full((96, 96, 3), 51, "uint8")
    image[:32, :32] = 204  # a bright corner
    (centre,) = detector.predict(image)
    assert centre.score == pytest.approx(0.2, abs=1e-5)
    assert centre.map is None
    (tiled,) = detector.predict(image, tiles=True)
    assert tiled.map.shape == tiled.grid.shape == (4, 4)
    assert tiled.map[0, 0] == tiled.map.max() == pytest.approx(0.8, abs=1e-5)
    assert tiled.map[2:, 2:] == pytest.approx(0.2, abs=1e-5)
    assert 0.2 < tiled.score < 0.8


def test_tiles_are_written_with_their_map(model, images, tmp_path, capsys):
    maps = tmp_path / "maps"
    arguments = ["--tiles", "--maps-dir", maps, "--format", "jsonl"]
    assert run(model, images, *arguments) == 3
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["tiles"]["side"] == SIZE
    assert rows[0]["tiles"]["tops"] == [0, 8]
    assert rows[0]["tiles"]["lefts"] == [0, 18]
    assert np.array(rows[0]["tiles"]["scores"]) == pytest.approx(0.8, abs=1e-5)
    assert rows[0]["max_score"] == pytest.approx(0.8, abs=1e-5)
    assert "tiles" not in rows[1]
    assert {row["map"] for row in rows if "map" in row} == {
        str(path) for path in maps.iterdir()
    }
    assert np.asarray(Image.open(rows[0]["map"])).shape == (32, 32, 3)


def test_table_and_csv_say_the_largest_score_of_tiles(model, images, capsys):
    assert run(model, images, "--tiles") == 3
    table = capsys.readouterr().out.splitlines()
    titles = ["verdict", "probability", "score", "max", "why", "size", "seen", "file"]
    assert table[0].split() == titles
    assert table[1].split()[:4] == ["fake", "0.6667", "0.8000", "0.8000"]
    assert table[2].split()[:2] == ["unreadable", str(images / "broken.jpg")]
    assert table[2].endswith("[JPEG with a damaged header]")
    assert run(model, images, "--tiles", "--format", "csv") == 3
    assert capsys.readouterr().out.splitlines()[0].endswith("error,max_score")


def test_order_is_kept_however_batches_fall(detector, images):
    good = [images / name for name in SCORES]
    bad = images / "broken.jpg"
    files = [bad, *good, bad, bad, *good, bad]
    for tiles in (False, True):
        found = list(detector.stream(files, tiles=tiles, batch_size=2))
        assert [prediction.file for prediction in found] == [str(f) for f in files]
        assert [bool(prediction.error) for prediction in found] == [
            file == bad for file in files
        ]


def test_files_that_are_all_unreadable_are_no_error(detector, images):
    (prediction,) = detector.predict(images / "broken.jpg")
    assert prediction.error


def test_slow_decoding_is_a_row(detector, images, monkeypatch):
    (prediction,) = detector.stream([images / "dark.png"], seconds=1e-6)
    assert "not decoded within" in prediction.error
