"""Every Python block of README, docs and docstrings is linted and run."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = list(
    find_examples(ROOT / "README.md", ROOT / "docs", ROOT / "keras_forensics")
)


def name(example: CodeExample) -> str:
    return f"{example.path.relative_to(ROOT)}:{example.start_line}"


def scaled_down(example: CodeExample) -> bool:
    """Blocks that need data and hours: tests/examples/test_documented_use.py."""
    return example.prefix_settings().get("test") == "scaled-down"


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_example_has_no_lint(example: CodeExample, eval_example: EvalExample):
    # A reader's keras_forensics is third-party, so import order is theirs.
    eval_example.set_config(target_version="py311", ruff_ignore=["I001"])
    eval_example.lint_ruff(example)


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if not scaled_down(e)], ids=name
)
def test_example_prints_what_it_shows(
    example: CodeExample,
    eval_example: EvalExample,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
):
    backend = example.prefix_settings().get("backend", keras.backend.backend())
    if backend != keras.backend.backend():
        pytest.skip(f"the page says that it needs {backend}")
    if needed := example.prefix_settings().get("needs"):
        pytest.importorskip(needed, reason=f"the page says that it needs {needed}")
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
