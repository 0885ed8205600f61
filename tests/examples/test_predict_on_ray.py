"""`predict --engine ray` on a cluster of two workers of this machine."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from PIL import Image

from examples.deepfake_v3 import Detector
from examples.deepfake_v3.options.predict import PredictConfig
from examples.deepfake_v3.predict_images import predict_images
from test_support.brightness import SIZE, save_brightness_detector
from tests.backend import NAME, ROOT

pytest.importorskip("ray", reason="needs the extra `ray`")
pq = pytest.importorskip("pyarrow.parquet")

from examples.deepfake_v3.prediction import predict_on_ray  # noqa: E402 (it needs pyarrow)

FILES = 30


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_brightness_detector(path, 0.5)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images of random pixels, of which every tenth is broken."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(FILES):
        pixels = rng.integers(0, 100 + 5 * number, (50, 60, 3), "uint8")
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    for number in range(0, FILES, 10):
        (folder / f"{number:02}.png").write_bytes(b"broken")
    return folder


def start(model, images, output):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "examples.deepfake_v3", "predict", str(images)),
            *("--model-path", str(model), "--output", str(output)),
            *("--engine", "ray", "--shard-files", "1", "--ray-workers", "2"),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": NAME,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # Ray gives up on a busy machine after 30 s.
            "RAY_raylet_start_wait_time_s": "600",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers_of(process):
    """The processes that hold the model."""
    return [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "ShardScorer" in " ".join(child.cmdline())
    ]


def rows_in(output):
    files = sorted(output.glob("part-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_killed_worker_costs_nothing_and_finished_shards_are_kept(
    model, images, tmp_path
):
    output = tmp_path / "scores"
    run = start(model, images, output)
    while not list(output.glob("part-*")) and run.poll() is None:
        time.sleep(0.05)
    assert run.poll() is None, run.communicate()[0]
    workers = workers_of(run)
    workers[0].kill()
    done = len(list(output.glob("part-*")))
    log = run.communicate()[0]
    assert len(workers) == 2
    assert done < FILES - 2, "killed too late to show anything"
    assert run.returncode == 3, log
    assert "3 of 30 files could not be read" in log

    # The same rows in the same order as without Ray.
    rows = rows_in(output)
    expected = Detector.load(model).predict(sorted(images.iterdir()))
    assert [row["file"] for row in rows] == [each.file for each in expected]
    for row, prediction in zip(rows, expected, strict=True):
        assert row["error"] == (prediction.error or None)
        assert row["verdict"] == prediction.verdict
        for name in ("score", "probability"):
            value = getattr(prediction, name)
            assert row[name] == (value and pytest.approx(value, abs=1e-6))

    # Only what is missing or damaged is scored again.
    shards = sorted(output.glob("part-*"))
    shards[3].unlink()
    shards[5].write_bytes(shards[5].read_bytes()[:-10])
    before = {shard: shard.stat().st_mtime_ns for shard in shards if shard.exists()}
    log = start(model, images, output).communicate()[0]
    assert "30 shards, 2 to be scored" in log
    assert rows_in(output) == rows
    changed = [s for s, t in before.items() if s.stat().st_mtime_ns != t]
    assert changed == [shards[5]]


@pytest.fixture
def config(model, images, tmp_path):
    return PredictConfig(
        sources=(str(images),),
        model_path=str(model),
        output=str(tmp_path / "scores"),
        engine="ray",
        shard_files=10,
    )


def score_here(config, files):
    """What a worker does, in this process."""
    with open(config.model_path, "rb") as file:
        scorer = predict_on_ray.ShardScorer(file.read(), config, Detector.load)
    predict_on_ray.ShardedOutput(config.output).claim({})
    scorer({"shard": np.array([0]), "files": np.array([json.dumps(files)])})


def test_buckets_and_parquet_lists_name_files(config, images, tmp_path):
    import pyarrow as pa

    here = sorted(str(path) for path in images.iterdir())
    uris = predict_on_ray._find_files([images.as_uri()])
    assert uris == [f"file://{file}" for file in here]
    pq.write_table(pa.table({"file": uris[:3]}), tmp_path / "list.parquet")
    assert predict_on_ray._find_files([str(tmp_path / "list.parquet")]) == uris[:3]
    pq.write_table(pa.table({"path": uris[:3]}), tmp_path / "list.parquet")
    with pytest.raises(ValueError, match="must have a column 'file'"):
        predict_on_ray._find_files([str(tmp_path / "list.parquet")])


def test_files_in_buckets_are_scored_and_missing_ones_reported(
    config, model, images, tmp_path
):
    local = sorted(images.iterdir())[:3]
    score_here(config, [*(path.as_uri() for path in local), "file:///none.png"])
    rows = rows_in(tmp_path / "scores")
    expected = Detector.load(model).predict(local)
    assert [row["score"] for row in rows[:3]] == pytest.approx(
        [each.score for each in expected], abs=1e-6
    )
    assert rows[3]["file"] == "file:///none.png"
    assert rows[3]["score"] is None
    assert "none.png" in rows[3]["error"]


def test_tiles_and_any_name_can_be_written(config, images, tmp_path):
    import dataclasses

    odd = tmp_path / "odd\udcff.png"
    odd.write_bytes((images / "01.png").read_bytes())
    score_here(dataclasses.replace(config, tiles=True), [str(odd)])
    (row,) = rows_in(tmp_path / "scores")
    assert row["file"].endswith("odd\\udcff.png")
    assert row["tiles"]["side"] == SIZE
    assert np.shape(row["tiles"]["scores"]) == (2, 3)
    assert row["max_score"] == np.max(row["tiles"]["scores"])


def test_output_of_another_run_is_refused(config, tmp_path):
    predict_on_ray.ShardedOutput(config.output).claim({"model": "another"})
    with pytest.raises(ValueError, match=r"another run, which differs in: model"):
        predict_images(config)


def test_output_must_be_named(config):
    import dataclasses

    with pytest.raises(ValueError, match=r"needs `output`.*output=None"):
        predict_images(dataclasses.replace(config, output=None))
