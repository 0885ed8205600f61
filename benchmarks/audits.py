"""What the audit finds on real data sets, and how long it takes.

    python -m benchmarks.audits --data-dirs DIR DIR

The pages are left in the working directory.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import tyro

from benchmarks.record import write_result
from examples.deepfake_v3.audit import audit_data_dir


@dataclasses.dataclass(frozen=True, kw_only=True)
class Audits:
    """Audit data sets and write a table."""

    data_dirs: tuple[str, ...]
    """Data sets, each as DIR/{train,val,test}/{real,fake}."""
    work_dir: str = "benchmarks/work"
    """Where the pages are written."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as audits.json."""


def count_sets(sets: Sequence[dict]) -> str:
    """Sets across splits, in both classes of a split, inside one folder."""
    across = sum(each["across_splits"] for each in sets)
    both = sum(each["across_classes"] and not each["across_splits"] for each in sets)
    return f"{across} / {both} / {len(sets) - across - both}"


def main(audits: Audits) -> None:
    """Audits the sets one after the other."""
    rows = []
    for data_dir in audits.data_dirs:
        name = Path(data_dir).name
        start = time.process_time()
        result = audit_data_dir(
            data_dir=data_dir, reports_dir=str(Path(audits.work_dir) / "audits" / name)
        )
        seconds = time.process_time() - start
        leak, content, groups = result["leak"], result["content"], result["groups"]
        strongest = leak["facts"][0]["name"] if leak["facts"] else "none differs"
        rows.append(
            [
                name,
                sum(sum(counts.values()) for counts in result["counts"].values()),
                f"{leak['value']:.3f} ({leak['low']:.3f} to {leak['high']:.3f})",
                strongest,
                f"{content['value']:.3f}",
                count_sets(result["exact_duplicates"]),
                count_sets(result["near_duplicates"]),
                f"{len(groups['across_splits'])} of {groups['count']}"
                if groups["source"]
                else "unknown",
                len(result["unusable"]),
                round(seconds),
            ]
        )
    write_result(
        Path(audits.results_dir) / "audits.json",
        title="Audits of real data sets",
        what=(
            "What `audit` says: AUC of a classifier that sees only file facts, with "
            "the 95 % interval over groups and sets of duplicates; the strongest fact; "
            "AUC by simple statistics of colour and noise, for comparison; sets of "
            "exact and of candidates for near duplicates, across splits / in both "
            "classes of a split / inside one folder; groups in more than one split; "
            "unusable files; processor seconds."
        ),
        columns=[
            "set",
            "images",
            "file facts, AUC",
            "strongest fact",
            "colour and noise, AUC",
            "exact duplicates",
            "near duplicates",
            "groups across splits",
            "unusable",
            "processor seconds",
        ],
        rows=rows,
        notes=(
            "Near duplicates in both classes are what face swaps look like beside "
            "their originals. Of those across splits in dfdc_faces a sample was looked "
            "at: most show one person in one scene."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Audits))
