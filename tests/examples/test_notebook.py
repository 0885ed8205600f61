"""The Colab notebook outside Colab: from top to bottom, and again after kills."""

import copy
import os
import tomllib

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from tests.backend import ROOT

PATH = ROOT / "examples" / "deepfake_v3" / "colab_t4.ipynb"
NOTEBOOK = nbformat.read(PATH, as_version=4)

SCALED_DOWN = """
import keras
from test_support.small_backbone import build_small_backbone

keras.applications.MobileNetV2 = build_small_backbone
OUTPUT = "output"
DEMO = {"image_size": 64, "images_per_class": {"train": 8, "val": 4, "test": 4}}
ANY = {"batch_size": 8, "verbose": 2}
TRAIN = ANY | {"weights": None, "image_size": 64, "alpha": 0.35, "epochs": 2}
FINE_TUNE = ANY | {"unfreeze": (6,), "learning_rates": (1e-4,), "epochs": (2,)}
"""
# What a disconnect does to the machine, just after this file has its name.
KILLED_AFTER = """
import os, pathlib, signal
def replace_and_die(path, target, replace=pathlib.Path.replace):
    replace(path, target)
    if str(target).endswith({!r}):
        os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.replace = replace_and_die
"""


def run(directory, settings, *, last=None, path=ROOT):
    """Runs the notebook with other settings than its own, up to a cell.

    Args:
        directory: Where its kernel starts.
        settings: What the cell after its settings does.
        last: The id of the last cell that is run.
        path: Where its kernel looks for the project; `""` for nowhere.

    Returns:
        Its cells by id, with their outputs. A kernel that dies ends the run.
    """
    notebook = copy.deepcopy(NOTEBOOK)
    ids = [cell.id for cell in notebook.cells]
    if last is not None:
        del notebook.cells[ids.index(last) + 1 :]
    injected = nbformat.v4.new_code_cell(settings, id="injected")
    notebook.cells.insert(ids.index("settings") + 1, injected)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(directory)}})
    environment = {"PYTHONPATH": str(path), "IPYTHONDIR": str(directory / "ipython")}
    try:
        client.execute(env={**os.environ, **environment})
    except DeadKernelError:
        assert "KILL" in settings
    return {cell.id: cell for cell in notebook.cells}


def text(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs in one folder: killed in both phases, then left alone."""
    directory = tmp_path_factory.mktemp("notebook")
    return [
        run(directory, SCALED_DOWN + KILLED_AFTER.format("logs/detector/state.npz")),
        run(directory, SCALED_DOWN + KILLED_AFTER.format("stage1/state.npz")),
        run(directory, SCALED_DOWN),
    ]


def test_every_cell_is_executed(runs):
    cells = [cell for cell in runs[-1].values() if cell.cell_type == "code"]
    assert len(cells) >= 10
    assert all(cell.execution_count for cell in cells)


def test_figures_are_shown(runs):
    outputs = runs[-1]["evaluate"].outputs
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == 5


def test_models_and_reports_are_listed(runs):
    listed = text(runs[-1]["save"])
    for name in ("detector.keras", "detector_final.keras", "evaluation.json"):
        assert f"output/{'reports' if 'json' in name else 'models'}/{name}" in listed


def test_killed_runs_go_on_after_their_last_epoch(runs):
    killed_in_training, killed_in_fine_tuning, complete = runs
    assert "going on" not in text(killed_in_training["train"])
    assert killed_in_training["fine-tune"].execution_count is None
    assert "going on after epoch 1" in text(killed_in_fine_tuning["train"])
    assert killed_in_fine_tuning["evaluate"].execution_count is None
    assert "going on after epoch 1" in text(complete["fine-tune"])


def test_finished_training_is_not_done_again(runs):
    assert text(runs[-1]["train"]) == ""


def test_project_is_cloned_and_its_requirements_are_installed(tmp_path, monkeypatch):
    if not (ROOT / ".git").exists():
        pytest.skip("this copy of the project is no git repository")
    (tmp_path / ".gitconfig").write_text("[safe]\ndirectory = *\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    # pip looks what would have to be installed, which is nothing, and installs nothing.
    monkeypatch.setenv("PIP_DRY_RUN", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip reads it as --no-…
    for last in ("install", "gpu"):  # again, as after a disconnect
        cells = run(tmp_path, f"REPOSITORY = 'file://{ROOT}'", last=last, path="")
        assert "error" not in text(cells["install"]).lower()
    assert "cpu:0" in text(cells["gpu"])  # with the clone's code
    assert (tmp_path / "keras_forensics" / "examples").is_dir()


def test_project_that_is_nowhere_is_asked_for_in_one_sentence(tmp_path):
    nowhere = "import sys\nsys.modules['examples'] = None"
    with pytest.raises(CellExecutionError, match="Set REPOSITORY in the first"):
        run(tmp_path, nowhere, last="install", path="")


def test_notebook_is_clean():
    nbformat.validate(NOTEBOOK)
    for cell in NOTEBOOK.cells:
        assert cell.id.replace("-", "").isalpha(), "ids are words, given by hand"
        if cell.cell_type == "code":
            assert cell.execution_count is None
            assert cell.outputs == []
            assert len(cell.source.splitlines()) <= 10


def test_badge_and_repository_are_those_of_the_project():
    with (ROOT / "pyproject.toml").open("rb") as file:
        urls = tomllib.load(file)["project"].get("urls", {})
    cells = {cell.id: cell.source for cell in NOTEBOOK.cells}
    repository = urls.get("Repository", "")
    assert f'REPOSITORY = "{repository}"' in cells["settings"]
    badge = (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({repository.replace('://github.com', '://colab.research.google.com/github')}"
        f"/blob/main/{PATH.relative_to(ROOT).as_posix()})"
    )
    for page in (cells["title"], (ROOT / "docs" / "recipe" / "colab.md").read_text()):
        assert (badge in page) == bool(repository), f"a release adds: {badge}"
