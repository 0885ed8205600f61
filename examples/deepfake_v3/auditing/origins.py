"""Do the marks of where files come from tell the classes apart?"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

from scipy.stats import fisher_exact

from examples.deepfake_v3.auditing.file_facts import Fact
from examples.deepfake_v3.auditing.inspection import AuditedImage
from examples.deepfake_v3.loading.data import CLASS_NAMES
from examples.deepfake_v3.loading.provenance import Kind, Mark

SURE = 0.01  # chance of such a difference by chance alone, over all marks
SHARE = 0.05  # of a class: smaller differences are not worth a warning
FEWEST = 5  # files with a value, from which on it is looked at by itself


def mark_facts(marks: Sequence[Mark]) -> dict[str, Fact]:
    """Which kinds of marks a file has, as facts for a classifier, 0 or 1 each."""
    kinds = {mark.kind for mark in marks}
    return {f"{kind} mark": float(kind in kinds) for kind in get_args(Kind)}


def measure_origins(images: Sequence[AuditedImage]) -> list[dict[str, Any]]:
    """How many files of each class have a mark.

    A mark is a name, such as "EXIF Make", with its kind; where as many files of both
    classes have it, its values are looked at, too.

    Returns:
        A row for each, the most unequal first: "name", "kind", "value" (a single one,
        or an example), "by_value", "real" and "fake", how many files have it, of how
        many "images", and "tells", whether it tells the classes apart by more than
        chance (Fisher's exact test, for as many marks as there are).
    """
    totals = Counter(image.label for image in images)
    named = [
        ((mark.name, mark.kind), mark.value, image.label)
        for image in images
        for mark in {(m.name, m.kind): m for m in image.marks}.values()
    ]
    rows = _compare(
        [(name, kind, None, label) for (name, kind), _, label in named], totals
    )
    examples = {key: value for key, value, _ in reversed(named)}
    for row in rows:
        row["value"] = examples[row["name"], row["kind"]]
    equal = {(row["name"], row["kind"]) for row in rows if not row["tells"]}
    values = Counter((*key, value) for key, value, _ in named if key in equal)
    by_value = _compare(
        [
            (*key, value, label)
            for key, value, label in named
            if values[(*key, value)] >= FEWEST
        ],
        totals,
    )
    return rows + [row for row in by_value if row["tells"]]


def _compare(
    found: Sequence[tuple[str, str, str | None, int]], totals: Counter[int]
) -> list[dict[str, Any]]:
    counts: dict[tuple[str, str, str | None], list[int]] = {}
    for name, kind, value, label in found:
        counts.setdefault((name, kind, value), [0, 0])[label] += 1
    rows = []
    for (name, kind, value), having in counts.items():
        table = [[n, totals[label] - n] for label, n in enumerate(having)]
        shares = [n / max(1, totals[label]) for label, n in enumerate(having)]
        chance = float(fisher_exact(table).pvalue)
        rows.append(
            {
                "name": name,
                "kind": kind,
                "value": value,
                "by_value": value is not None,
                **dict(zip(CLASS_NAMES, having, strict=True)),
                "images": {c: totals[label] for label, c in enumerate(CLASS_NAMES)},
                "chance": chance,
                "tells": chance < SURE / len(counts)
                and abs(shares[0] - shares[1]) >= SHARE,
            }
        )
    return sorted(rows, key=lambda row: (row["chance"], row["name"]))
