"""Each public name has its page, and the search finds it."""

import inspect
import json
import re

import pytest

import keras_forensics
from tests.public_api import describe

# As listed in tests/public_api.txt, which changes with the API.
NAMES = [
    re.match(r"[\w.]+", line)[0]
    for line in describe().splitlines()
    if not line.startswith("registered")
]
COMPONENTS = [
    name
    for name in keras_forensics.__all__
    if inspect.isclass(getattr(keras_forensics, name))
]


def snake_case(name: str) -> str:
    """`SRMFilterBank` → `srm_filter_bank`."""
    between = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    return re.sub(between, "_", name).lower()


def documented_name(name: str) -> str:
    """Where a name of the package itself is described: in its module."""
    module, _, short = name.rpartition(".")
    if module == "keras_forensics" and short in COMPONENTS:
        kind = getattr(keras_forensics, short).__module__.split(".")[1]
        return f"{module}.{kind}.{short}"
    return name


@pytest.mark.parametrize("name", NAMES)
def test_public_name_is_described(pages, site, name):
    reference = [page for path, page in pages.items() if site / "api" in path.parents]
    assert documented_name(name) in set().union(*(page.anchors for page in reference))


@pytest.mark.parametrize("name", COMPONENTS)
def test_component_has_a_page_with_formula_figure_paper_and_example(site, pages, name):
    page = pages[site / "api" / snake_case(name) / "index.html"]
    assert page.titles[0].startswith(name)
    assert documented_name(f"keras_forensics.{name}") in page.anchors
    assert "math" in page.tags
    assert [image for image in page.images if "figures/" in image["src"]]
    for section in ("Example", "References"):
        assert section in page.text


@pytest.mark.parametrize("name", NAMES)
def test_search_finds_public_name(site, name):
    index = json.loads((site / "search/search_index.json").read_text("utf-8"))
    separator = re.compile(index["config"]["separator"])
    titles = {
        token.lower()
        for entry in index["docs"]
        if entry["location"].startswith("api/")
        for token in separator.split(re.sub("<.*?>", " ", entry["title"]))
    }
    assert name.rpartition(".")[2].lower() in titles
    # A word that the search drops would not be found.
    assert "stopWordFilter" not in index["config"]["pipeline"]
