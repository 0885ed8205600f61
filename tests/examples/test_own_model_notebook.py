"""The notebook for users of the layers, from top to bottom."""

import os
import re

import keras
import nbformat
import pytest
from nbclient import NotebookClient

from tests.backend import ROOT

PATH = ROOT / "examples" / "own_model.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(PATH, as_version=4)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}})
    environment = {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython")}
    client.execute(env={**os.environ, **environment})
    return {
        cell.id: "".join(output.get("text", "") for output in cell.get("outputs", ()))
        for cell in notebook.cells
    }


def numbers(text):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def test_network_tells_filtered_crops_and_not_those_scaled_to_one(cells):
    accuracy, *_, scaled = numbers(cells["test"])
    assert accuracy > 0.85 and scaled < 0.7


def test_constraint_holds_after_training(cells):
    assert "centre [-1.] sums" in cells["constraint"]
    sums = numbers(cells["constraint"].partition("sums")[2])
    assert len(sums) == 9 and max(sums) < 1e-5


def test_loaded_and_exported_models_say_the_same(cells):
    assert numbers(cells["save"])[-1] == 0
    if keras.backend.backend() == "jax":
        assert cells["export"].startswith("not exported")
    else:
        assert numbers(cells["export"])[-1] < 1e-4


def test_the_file_holds_no_outputs():
    assert not any(
        cell.get("outputs") for cell in nbformat.read(PATH, as_version=4).cells
    )
