"""CITATION.cff names this version."""

import yaml

import keras_forensics
from tests.site.conftest import ROOT


def test_citation_names_the_version_and_the_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == keras_forensics.__version__
    assert citation["license"] == "Apache-2.0"
    assert citation["title"].startswith("keras_forensics")
