"""What each folder of the detector says that it imports."""

import ast
import re

import pytest

from tests.backend import ROOT, run_python

PACKAGE = "examples.deepfake_v3"
FOLDER = ROOT / "examples" / "deepfake_v3"

FOLDERS = sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))


def imports():
    """`{module: modules of the detector that it imports}`, for types, too."""
    modules = {
        ".".join(path.relative_to(FOLDER).with_suffix("").parts): path
        for path in FOLDER.rglob("*.py")
        if path.name != "__init__.py"
    }
    found = {}
    for module, path in modules.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            assert node.level == 0
            for alias in node.names:
                for name in (f"{node.module}.{alias.name}", str(node.module)):
                    name = name.removeprefix(f"{PACKAGE}.")
                    if name in modules:
                        found[module].add(name)
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_what_its_first_file_allows(folder):
    text = ast.get_docstring(ast.parse((FOLDER / folder / "__init__.py").read_text()))
    _, _, allowed = text.partition("May import from ")
    used = {
        name.split(".")[0]
        for module, names in imports().items()
        if module.startswith(f"{folder}.")
        for name in names
    }
    assert used - {folder} <= set(re.findall("`(.*?)`", allowed))


def test_metadata_are_read_without_keras():
    code = (
        "import sys\n"
        "import examples.deepfake_v3.model_files.metadata\n"
        "assert not {'keras', 'keras_forensics'} & sys.modules.keys()"
    )
    run_python(code)
