"""The charts of the home page and of the benchmarks quote the tables."""

import pytest

from docs import at_a_glance


def test_numbers_are_those_of_one_row_without_their_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(at_a_glance, "RESULTS", tmp_path)
    (tmp_path / "some.json").write_text(
        '{"columns": ["form", "batch", "AUC", "error"],'
        ' "rows": [["ours", 1, "0.921 ± 0.016", 0.4751], ["ours", 8, "0.9", 0.5]]}'
    )
    assert at_a_glance.value("some", ("ours", "1"), "AUC") == ".921"
    assert at_a_glance.value("some", ("ours", "1"), "error") == ".48"
    for cells in (("ours",), ("theirs",)):
        with pytest.raises(ValueError, match=r"some.json: [02] rows have the cells"):
            at_a_glance.value("some", cells, "AUC")


def test_layers_are_named_as_on_their_pages():
    assert at_a_glance.title_of("srm_layer_v3") == "SRMLayerV3"
    assert "[SRMLayerV3](../api/srm_layer_v3.md)" in at_a_glance.chart("../")
