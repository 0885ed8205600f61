"""The benchmark of predict, scaled down."""

import json

import pytest

from benchmarks.predict_throughput import Benchmark, main

pytestmark = pytest.mark.backends


def test_both_forms_score_the_same_files(tmp_path, capsys):
    results = tmp_path / "results.json"
    main(
        Benchmark(
            files=12,
            broken=4,
            image_size=32,
            alpha=0.35,
            rounds=2,
            results=str(results),
        )
    )
    result = json.loads(results.read_text())
    assert [row[0] for row in result["rows"][:2]] == ["bare model", "predict"]
    assert all(row[1] > 0 for row in result["rows"])
    assert sum(result["unreadable"].values()) == 4
    assert "4 unreadable" in capsys.readouterr().out
