"""Imports go downwards only, as pyproject.toml declares the rooms."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backend import ROOT

pytest.importorskip("importlinter", reason="import-linter is not installed")

CHECK = "import sys; from importlinter.cli import lint_imports_command as c; c()"


def check_imports(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", CHECK, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def test_every_room_imports_only_rooms_below_it_and_in_no_circle():
    check = check_imports(ROOT)
    assert check.returncode == 0, check.stdout + check.stderr
    assert "Contracts: 3 kept, 0 broken." in check.stdout


ROOMS = """
[tool.importlinter]
root_packages = ["house"]

[[tool.importlinter.contracts]]
name = "Downwards"
type = "layers"
containers = ["house"]
exhaustive = true
layers = ["attic", "cellar"]

[[tool.importlinter.contracts]]
name = "No circles"
type = "acyclic_siblings"
ancestors = ["house"]
"""
TYPE_ONLY = (
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house import attic\n"
)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "2 kept, 0 broken"),
        ({"cellar.py": "from house import attic\n"}, "house.cellar -> house.attic"),
        ({"cellar.py": TYPE_ONLY}, "house.cellar -> house.attic"),
        ({"shed.py": ""}, "shed"),
        (
            {
                "attic/beam.py": "from house.attic import board\n",
                "attic/board.py": "from house.attic import beam\n",
            },
            "No cycles are allowed in house.attic",
        ),
    ],
    ids=["as declared", "upward", "upward for a type", "undeclared", "circle"],
)
def test_check_sees_what_it_is_for(tmp_path, files, complaint):
    house = {
        "__init__.py": "",
        "attic/__init__.py": "from house import cellar\n",
        "cellar.py": "",
        **files,
    }
    (tmp_path / "pyproject.toml").write_text(ROOMS)
    for name, content in house.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    check = check_imports(tmp_path)
    assert complaint in check.stdout, check.stdout + check.stderr
    assert (check.returncode == 0) == (not files)
