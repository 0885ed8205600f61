"""The comparison with Pillow counts what differs, and goes on where it was stopped."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import jpeg_exactness
from benchmarks.jpeg_exactness import CROP, Benchmark, measure, row
from test_support import pillow_jpeg


@pytest.fixture
def benchmark(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (110, 140, 3), "uint8")
    (tmp_path / "photographs").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photographs" / "noise.png")
    return Benchmark(
        data_dirs=(str(tmp_path / "photographs"),),
        photographs=1,
        work_dir=str(tmp_path / "work"),
    )


def test_one_wrong_colour_is_one_pixel_that_differs(benchmark, monkeypatch):
    def forms(images):
        def form(quality):
            compressed = pillow_jpeg.round_trip(images, quality, "4:2:0").copy()
            compressed[0, 3, 4, 1] ^= 8 if quality == 75 else 0
            return compressed

        yield "off", "4:2:0", form

    monkeypatch.setattr(jpeg_exactness, "QUALITIES", [70, 75, 80])
    monkeypatch.setattr(jpeg_exactness, "forms", forms)
    measure(benchmark)
    (path,) = Path(benchmark.work_dir).iterdir()
    found = json.loads(path.read_text())["forms"]["off|4:2:0"]
    assert found == {"70": [0, 0], "75": [1, 8], "80": [0, 0]}
    name, _, _, compared, differ, share, largest, *_ = row(
        "some", "off|4:2:0", found, CROP[0] * CROP[1]
    )
    assert (name, compared, differ, largest) == ("off", 3 * CROP[0] * CROP[1], 1, 8)
    assert share == "0.0%"


def test_what_is_measured_is_not_measured_again(benchmark, monkeypatch):
    monkeypatch.setattr(jpeg_exactness, "QUALITIES", [70])
    calls = []

    def forms(images):
        yield "same", "4:2:0", lambda quality: calls.append(quality) or images

    monkeypatch.setattr(jpeg_exactness, "forms", forms)
    measure(benchmark)
    measure(benchmark)
    assert calls == [70]


def test_too_few_photographs_are_said(benchmark):
    many = Benchmark(data_dirs=benchmark.data_dirs, photographs=2)
    with pytest.raises(SystemExit, match="hold 1 photographs"):
        jpeg_exactness.crops(many)
