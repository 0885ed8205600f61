"""Writes docs/results/*.md from the measurements in benchmarks/results/*.json.

Two pages of tables, and the chart of `at_a_glance.py`, which other pages include.
Each file is one table:

    {"title": …, "what": …, "machine": …, "versions": {…} or …, "command": …,
     "columns": [name, …], "rows": [[cell, …], …], "notes": …}

`what`, `machine`, `versions`, `command` and `notes` may be left out, and `figures`, a
list of {"file": …, "alt": …} with files below docs/, and `summary`, a smaller table
{"columns": …, "rows": …} that stands first, and that other pages include by the name of
the file: `--8<-- "docs/results/evaluation.md:NAME"`. With `--check` nothing is written,
and a stale page is an error.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ROOT / "docs" / "results"

BENCHMARKS = ("speed_", "memory_", "t4_budget_")
"""How files begin whose tables are about time and memory."""

PAGE = """\
<!-- Written by docs/generate_results.py. Do not edit. -->

# {title}

{about} Each table comes from one file in `benchmarks/results/`, and names the machine
and the command that made it. Losses are kept.

"""


def cell(value: Any) -> str:
    """Formats one table cell: numbers to 4 significant digits, integers in full."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def line(cells: list[Any]) -> str:
    """Formats one table line."""
    return "| " + " | ".join(map(cell, cells)) + " |"


def table(path: Path, columns: list[str], rows: list[list[Any]]) -> str:
    """Formats one table of a result file."""
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(
                f"{path.name}: each row must have one cell per column. "
                f"Received: columns={columns}, row={row}"
            )
    return "\n".join([line(columns), "|---" * len(columns) + "|", *map(line, rows)])


def summary(path: Path, result: dict[str, Any]) -> str | None:
    """The smaller table, between marks by which other pages include it."""
    if "summary" not in result:
        return None
    name = path.stem
    return "\n".join(
        [
            f"<!-- --8<-- [start:{name}] -->",
            table(path, **result["summary"]),
            f"<!-- --8<-- [end:{name}] -->",
        ]
    )


def section(path: Path) -> str:
    """Formats one result file as a section of the page."""
    result = json.loads(path.read_text("utf-8"))
    machine, versions = (
        ", ".join(f"{name} {value}" for name, value in fact.items())
        if isinstance(fact, dict)
        else fact
        for fact in (result.get("machine"), result.get("versions"))
    )
    command = result.get("command")
    facts = {
        "Machine": machine,
        "Versions": versions,
        "Command": command and f"`{command}`",
        "Data": f"`{path.relative_to(ROOT).as_posix()}`",
    }
    notes = result.get("notes") or []
    parts = [
        f"## {result['title']}",
        result.get("what"),
        summary(path, result),
        table(path, result["columns"], result["rows"]),
        *([notes] if isinstance(notes, str) else notes),
        *(f"![{it['alt']}](../{it['file']})" for it in result.get("figures", [])),
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items() if fact),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def pages() -> dict[Path, str]:
    """The text of each page."""
    sys.path.insert(0, str(ROOT))
    from docs.at_a_glance import chart, speed_chart  # once the path is set

    files = sorted(RESULTS.glob("*.json"))
    benchmarks = [path for path in files if path.name.startswith(BENCHMARKS)]
    evaluation = [path for path in files if path not in benchmarks]
    return {
        PAGES / "at_a_glance.md": chart(),
        PAGES / "benchmarks.md": PAGE.format(
            title="Benchmarks", about="Time and memory, beside what is replaced."
        )
        + f"## At a glance\n\n{speed_chart()}\n"
        + "\n".join(map(section, benchmarks)),
        PAGES / "evaluation.md": PAGE.format(
            title="Evaluation", about="Accuracy, data sets, and runs that survive."
        )
        + "\n".join(map(section, evaluation)),
    }


def main() -> None:
    """Writes or checks the pages."""
    parser = argparse.ArgumentParser(description="Writes docs/results/*.md.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail if a page is stale"
    )
    check = parser.parse_args().check
    for path, content in pages().items():
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != content:
            name = path.relative_to(ROOT)
            sys.exit(f"{name} is stale: run python docs/generate_results.py")


if __name__ == "__main__":
    main()
