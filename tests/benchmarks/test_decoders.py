"""The comparison of decoders counts what differs, and what a detector loses by it."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")

from benchmarks import decoders
from benchmarks.decoders import BY_DEFAULT, PILLOW, Benchmark
from examples.deepfake_v3.loading.data import CLASS_NAMES

ACCURATE = '`dct_method="INTEGER_ACCURATE"`'
IMAGES = {"train": 8, "test": 5}  # a class


def test_only_the_default_dct_gives_other_pixels_without_subsampling():
    photograph = np.random.default_rng(0).integers(0, 256, (40, 56, 3), "uint8")
    rows = {tuple(row[:3]): row[3:] for row in decoders.compare_pixels([photograph])}
    for quality in decoders.QUALITIES:
        assert rows[ACCURATE, "4:2:0", quality] == ["0.0%", 0, "0.0%"]
        assert rows["both", "4:4:4", quality] == ["0.0%", 0, "0.0%"]
        share, largest, residuals = rows[BY_DEFAULT, "4:4:4", quality]
        assert share != "0.0%" and largest > 0 and residuals != "0.0%"


def test_one_wrong_colour_is_one_pixel_that_differs(monkeypatch):
    def with_one_wrong_colour(**_):
        def decode(file):
            pixels = decoders.by_pillow(file).copy()
            pixels[8, 9, 1] ^= 8
            return pixels

        return decode

    monkeypatch.setattr(decoders, "by_tensorflow", with_one_wrong_colour)
    photograph = np.full((20, 25, 3), 128, "uint8")
    for row in decoders.compare_pixels([photograph]):
        # The largest filter sees 5x5 pixels, in one of three colours.
        assert row[3:5] == ["0.2%", 8]
        assert 0 < float(row[5].rstrip("%")) < 100 * 25 / 500 / 3


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """Noise and smooth images, and a feature that tells them apart."""
    monkeypatch.setattr(decoders, "features_of", lambda pixels, _: [pixels.std()])
    rng = np.random.default_rng(0)
    for split, count in IMAGES.items():
        for spread, name in zip((40, 4), CLASS_NAMES, strict=True):
            folder = tmp_path / "faces" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.normal(128, spread, (24, 24, 3)).clip(0, 255)
                Image.fromarray(pixels.astype("uint8")).save(folder / f"{index}.jpg")
    return Benchmark(
        photographs="",
        faces=str(tmp_path / "faces"),
        train_images=IMAGES["train"] // 2,
        test_images=IMAGES["test"],
        seeds=2,
        work_dir=str(tmp_path / "work"),
    )


def test_what_is_lost_is_said_of_the_decoder_it_was_trained_behind(
    benchmark, monkeypatch
):
    def flat(**_):
        return lambda file: np.full_like(decoders.by_pillow(file), 128)

    monkeypatch.setattr(decoders, "by_tensorflow", flat)
    rows = {tuple(row[:2]): row[2:] for row in decoders.compare_verdicts(benchmark)}
    assert rows[PILLOW, PILLOW][:4] == ["1.000", "1.000", None, None]
    _, accuracy, _, lost, _ = rows[PILLOW, BY_DEFAULT]
    assert (accuracy, lost) == ("0.500", "0.500 (0.500 to 0.500)")
    assert rows[BY_DEFAULT, BY_DEFAULT][1] == "0.500"


def test_features_are_read_again(benchmark, monkeypatch):
    first = decoders.compare_verdicts(benchmark)
    monkeypatch.delattr(decoders, "features_of")
    assert decoders.compare_verdicts(benchmark) == first
    more = dataclasses.replace(benchmark, test_images=4)
    with pytest.raises(NameError, match="features_of"):
        decoders.compare_verdicts(more)
