"""Tables of training with compression follow from the scores that were kept."""

import json

import numpy as np
import pytest

from benchmarks import jpeg_augmentation
from benchmarks.jpeg_augmentation import CHANGES, Benchmark, describe, read_run
from examples.deepfake_v3.loading.data import ImageList


@pytest.fixture
def benchmark(tmp_path):
    return Benchmark(name="some", data_dir=str(tmp_path), weights="none.h5")


def images(count, root):
    names = [root / "test" / "real" / f"{number}.png" for number in range(count)]
    return ImageList(tuple(names), np.arange(count) % 2, ("",) * count)


def scores(labels, strength, seed):
    noise = np.random.default_rng(seed).normal(size=len(labels))
    return (labels * strength + noise).tolist()


def test_gains_are_differences_of_auc_with_intervals_over_images(benchmark, tmp_path):
    test = images(400, tmp_path)
    runs: dict = {
        share: [
            {"test": {name: scores(test.labels, each, seed) for name in CHANGES}}
            for seed in range(3)
        ]
        for share, each in ((0.0, 1.0), (0.5, 2.0))
    }
    rows = describe(benchmark, test, runs)
    assert [row[0] for row in rows] == list(CHANGES)
    _, before, after, gain, interval = rows[0]
    before, after = (float(cell.split()[0]) for cell in (before, after))
    # Normal scores: the AUC is that of the difference of two.
    assert before == pytest.approx(0.760, abs=0.03)
    assert after == pytest.approx(0.921, abs=0.02)
    assert float(gain) == pytest.approx(after - before, abs=0.002)
    low, high = map(float, interval.split(" to "))
    assert 0 < low < float(gain) < high < 0.3


def test_runs_of_other_settings_are_refused(benchmark, tmp_path):
    kept = tmp_path / "share 0 seed 0.json"
    kept.write_text(json.dumps(jpeg_augmentation.settings_of(benchmark)))
    assert read_run(kept, benchmark)["settings"]["epochs"] == benchmark.epochs
    other = Benchmark(name="some", data_dir="", weights="none.h5", epochs=9)
    with pytest.raises(ValueError, match="other settings: give another `name`"):
        read_run(kept, other)


def test_shares_are_compared_with_none(benchmark):
    only = Benchmark(name="some", data_dir="", weights="none.h5", shares=(0.5,))
    with pytest.raises(ValueError, match=r"`shares` must contain 0.*Received"):
        jpeg_augmentation.main(only)
