"""Evidence from residuals is counted right, and only what is new in it helps a run."""

import collections
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks import residual_evidence
from benchmarks.residual_evidence import (
    ResidualEvidence,
    add_evidence,
    co_occurrences,
    if_independent,
    orbits,
)
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS

IMAGES = {"train": 12, "val": 6, "test": 6}  # a class


def test_co_occurrences_are_those_counted_one_by_one():
    residuals = np.random.default_rng(0).integers(-2, 3, (5, 7, 1))

    def shares(lines):
        seen = collections.Counter(
            max(sequence, sequence[::-1], turned, turned[::-1])
            for line in lines
            for i in range(len(line) - 2)
            for sequence in [tuple(line[i : i + 3].tolist())]
            for turned in [tuple(-np.array(sequence))]
        )
        return sorted(count / seen.total() for count in seen.values())

    found = co_occurrences(residuals).reshape(2, -1)
    for row, lines in zip(found, (residuals[..., 0], residuals[..., 0].T), strict=True):
        np.testing.assert_allclose(np.sort(row[row > 0]), shares(lines))


def test_a_mirror_image_and_its_negative_have_the_same_co_occurrences():
    residuals = np.random.default_rng(0).integers(-2, 3, (16, 16, 2))
    expected = co_occurrences(residuals)
    assert len(expected) == 2 * 2 * orbits()[1]
    for same in (residuals[:, ::-1], residuals[::-1], -residuals):
        np.testing.assert_allclose(co_occurrences(same), expected)


@pytest.fixture
def scores():
    """Labels, and two independent witnesses of them."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 2000)
    return labels, *(labels + rng.normal(size=(2, 4000)))


def test_independent_evidence_adds_what_it_would_by_theory(scores):
    labels, ours, theirs = scores
    run = {split: 1 / (1 + np.exp(-ours)) for split in ("val", "test")}
    added, weight = add_evidence(run, dict.fromkeys(("val", "test"), theirs), labels)
    expected = if_independent(*(roc_auc_score(labels, w) for w in (ours, theirs)))
    assert roc_auc_score(labels, added) == pytest.approx(expected, abs=0.005)
    assert weight > 0.5


def test_evidence_that_a_run_has_itself_adds_nothing(scores):
    labels, ours, _ = scores
    run = {split: 1 / (1 + np.exp(-ours)) for split in ("val", "test")}
    _, weight = add_evidence(run, dict.fromkeys(("val", "test"), ours), labels)
    assert weight == 0


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """Noise and smooth images, and runs that tell them apart by chance only."""
    monkeypatch.setattr(residual_evidence, "STEPS", (1,))
    monkeypatch.setattr(residual_evidence, "PENALTIES", (1e-2,))
    rng = np.random.default_rng(0)
    for split in SPLITS:
        for spread, name in zip((40, 4), CLASS_NAMES, strict=True):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(IMAGES[split]):
                pixels = rng.normal(128, spread, (24, 24, 3)).clip(0, 255)
                Image.fromarray(pixels.astype("uint8")).save(folder / f"{index}.png")
    runs = tmp_path / "accuracy_demo"
    runs.mkdir()
    for seed in range(2):
        run = {"variant": "detector", "seed": seed, "images_per_class": None}
        run |= {split: rng.uniform(size=12).tolist() for split in ("val", "test")}
        (runs / f"detector_all_{seed}.json").write_text(json.dumps(run))
    return ResidualEvidence(
        data_dirs=(str(tmp_path / "data"),),
        runs=(str(runs),),
        work_dir=str(tmp_path / "work"),
        results_dir=str(tmp_path),
    )


def test_the_table_says_what_evidence_adds_to_runs_without_any(benchmark, tmp_path):
    residual_evidence.main(benchmark)
    table = json.loads((tmp_path / "residual_evidence.json").read_text())
    (row,) = (dict(zip(table["columns"], row, strict=True)) for row in table["rows"])
    assert (row["runs"], row["variant"], row["seeds"]) == ("demo", "detector", 2)
    assert row["alone"] == 1
    assert float(row["with them"].split()[0]) > float(row["their AUC"].split()[0]) + 0.2
    assert float(row["difference"].split()[0]) > 0.2


def test_features_are_read_again(benchmark, tmp_path, monkeypatch):
    residual_evidence.main(benchmark)
    first = (tmp_path / "residual_evidence.json").read_text()
    monkeypatch.delattr(residual_evidence, "features_of")
    residual_evidence.main(benchmark)
    assert (tmp_path / "residual_evidence.json").read_text() == first


def test_runs_of_other_images_are_refused(benchmark, tmp_path):
    path = next((tmp_path / "accuracy_demo").iterdir())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val": [0.5]}))
    with pytest.raises(ValueError, match="other images"):
        residual_evidence.main(benchmark)


def test_a_folder_without_runs_is_refused(benchmark, tmp_path):
    for path in (tmp_path / "accuracy_demo").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="`runs` must be folders"):
        residual_evidence.main(benchmark)


def test_each_data_directory_needs_a_folder_of_runs(benchmark):
    lacking = dataclasses.replace(benchmark, runs=())
    with pytest.raises(ValueError, match="one folder for each of `data_dirs`"):
        residual_evidence.main(lacking)
