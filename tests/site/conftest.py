"""Builds the site once, as strictly as it is published."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.page import Page, read_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir"]
    build = subprocess.run(
        [*command, folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


@pytest.fixture(scope="session")
def pages(site) -> dict[Path, Page]:
    """Every page of the site but 404.html, whose links are for a server."""
    paths = [path for path in site.rglob("*.html") if path.name != "404.html"]
    return {path: read_page(path) for path in sorted(paths)}
