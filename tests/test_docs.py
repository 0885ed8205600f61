"""Every Python block of README, docs and docstrings is linted and run."""

import ast
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = list(
    find_examples(ROOT / "README.md", ROOT / "docs", ROOT / "keras_forensics")
)


def name(example: CodeExample) -> str:
    return f"{example.path.relative_to(ROOT)}:{example.start_line}"


def skipped(example: CodeExample) -> bool:
    """Blocks that need data or hours say `{test="skip" reason="…"}` in their fence."""
    return example.prefix_settings().get("test") == "skip"


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_example_has_no_lint(example: CodeExample, eval_example: EvalExample):
    # A reader's keras_forensics is third-party, so import order is theirs.
    eval_example.set_config(target_version="py311", ruff_ignore=["I001"])
    eval_example.lint_ruff(example)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if not skipped(e)], ids=name)
def test_example_prints_what_it_shows(
    example: CodeExample,
    eval_example: EvalExample,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
):
    # Its rewritten tracebacks crash pytest on Python 3.11; the plain ones do not.
    monkeypatch.setattr(
        "pytest_examples.run_code.create_example_traceback", lambda *_: None
    )
    # The example runs as __main__; the tests after it want the real one.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.chdir(tmp_path)
    # Shapes are shown as tuples, which torch's are not.
    eval_example.print_callback = lambda text: re.sub(
        r"torch\.Size\(\[(.*?)\]\)", r"(\1)", text
    )
    eval_example.run_print_check(example)
    kind = "docstring examples" if example.path.suffix == ".py" else "code blocks"
    record_property("counted", [f"{kind} run", 1])


@pytest.mark.parametrize("example", [e for e in EXAMPLES if skipped(e)], ids=name)
def test_skipped_example_calls_functions_with_arguments_they_have(example: CodeExample):
    assert example.prefix_settings()["reason"]
    tree = ast.parse(example.source)
    imported: dict[str, Any] = {}
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), str(example), "exec"), imported)
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in imported:
            keywords = {k.arg: None for k in call.keywords if k.arg}
            inspect.signature(imported[call.func.id]).bind(*call.args, **keywords)
