"""What is measured on the files of a data set together, and its description."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from examples.deepfake_v3.auditing.content_statistics import SMOOTHNESS
from examples.deepfake_v3.auditing.duplicates import (
    exact_duplicates,
    members,
    near_duplicates,
)
from examples.deepfake_v3.auditing.file_facts import Fact, as_columns
from examples.deepfake_v3.auditing.findings import LEAK_AUC, SMOOTHNESS_AUC
from examples.deepfake_v3.auditing.inspection import AuditedImage, relative
from examples.deepfake_v3.auditing.leaks import (
    Auc,
    cross_validated_auc,
    transferred_auc,
)
from examples.deepfake_v3.auditing.origins import mark_facts, measure_origins
from examples.deepfake_v3.loading import groups as grouping
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS

# Words by which names often give the class. Only the audit of names uses them.
CLASS_WORDS = {"real": ("real", "original"), "fake": ("fake", "synthetic", "generated")}


def measure(
    images: Sequence[AuditedImage],
    group_of: Sequence[str | None],
    max_distance: int,
    root: Path,
) -> dict[str, Any]:
    """Duplicates, and what classifiers reach that keep them and groups together."""
    near = _near_links(images, max_distance)
    exact = exact_duplicates([image.digest for image in images])
    links = [(i, j) for i, j, _ in near.tolist()]
    links += [(indices[0], i) for indices in exact for i in indices[1:]]
    units = grouping.units(group_of, links)

    labels = np.array([image.label for image in images], "int64")
    splits = np.array([image.split for image in images])
    # Marks first: of facts that tell as much, they say why.
    told = [mark_facts(image.marks) | image.facts for image in images]
    facts = as_columns(told)
    content = as_columns([image.content for image in images])
    facts_inside = _inside_splits(facts, splits, labels, units)
    content_inside = _inside_splits(content, splits, labels, units)
    return {
        "leak": {
            **dataclasses.asdict(cross_validated_auc(facts, labels, units)),
            "warning_above": LEAK_AUC,
            "splits": {
                split: dataclasses.asdict(auc) for split, auc in facts_inside.items()
            },
            "facts": _describe_facts(told, facts, labels, units),
        },
        "origins": measure_origins(images),
        "content": dataclasses.asdict(cross_validated_auc(content, labels, units)),
        "smoothness": _measure_smoothness(content, labels, units),
        "directions": [
            row
            for kind, columns, inside in (
                ("file facts", facts, facts_inside),
                ("colour and noise", content, content_inside),
            )
            for row in _directions(kind, columns, inside, splits, labels, units)
        ],
        "misnamed": _misnamed(images, root),
        "exact_duplicates": [
            _describe_set(m, [(m[0], i, 0) for i in m[1:]], images, root) for m in exact
        ],
        "near_duplicates": _describe_near(near, images, root),
        "near_duplicate_distance": max_distance,
        "without_hash": sum(image.hash is None for image in images),
    }


def _measure_smoothness(
    content: Mapping[str, np.ndarray], labels: np.ndarray, units: np.ndarray
) -> dict[str, Any]:
    """What noise and blockiness alone reach, and their median in each class."""
    columns = {name: content[name] for name in SMOOTHNESS if name in content}
    return {
        **dataclasses.asdict(cross_validated_auc(columns, labels, units)),
        "warning_above": SMOOTHNESS_AUC,
        "medians": {
            class_name: {
                name: round(float(np.median(column[labels == label])), 3)
                for name, column in columns.items()
            }
            for label, class_name in enumerate(CLASS_NAMES)
            if np.any(labels == label)
        },
    }


def groups_across_splits(
    group_of: Sequence[str | None], images: Sequence[AuditedImage], root: Path
) -> dict[str, Any]:
    """How many groups there are, and those that more than one split has."""
    members_of: dict[str, list[AuditedImage]] = {}
    for group, image in zip(group_of, images, strict=True):
        if group:
            members_of.setdefault(group, []).append(image)
    across = []
    for group, inside in sorted(members_of.items()):
        counts = Counter(image.split for image in inside)
        if len(counts) > 1:
            one_each = {image.split: image for image in reversed(inside)}
            across.append(
                {
                    "group": group,
                    "images": {split: counts[split] for split in SPLITS},
                    "files": [
                        relative(one_each[split].path, root)
                        for split in SPLITS
                        if split in one_each
                    ],
                }
            )
    return {
        "count": len(members_of),
        "images_without": sum(group is None for group in group_of),
        "across_splits": across,
    }


def _near_links(images: Sequence[AuditedImage], max_distance: int) -> np.ndarray:
    """Links between near duplicates; of exact duplicates only the first counts."""
    seen: set[str] = set()
    hashes = []
    for image in images:
        hashes.append(None if image.digest in seen else image.hash)
        seen.add(image.digest)
    return near_duplicates(hashes, max_distance)


def _inside_splits(
    columns: Mapping[str, np.ndarray],
    splits: np.ndarray,
    labels: np.ndarray,
    units: np.ndarray,
) -> dict[str, Auc]:
    """What a classifier reaches in each split by itself, cross-validated."""
    return {
        split: cross_validated_auc(
            {name: column[splits == split] for name, column in columns.items()},
            labels[splits == split],
            units[splits == split],
            confidence=0.99,
        )
        for split in SPLITS
    }


def _directions(
    kind: str,
    columns: Mapping[str, np.ndarray],
    inside: Mapping[str, Auc],
    splits: np.ndarray,
    labels: np.ndarray,
    units: np.ndarray,
) -> list[dict[str, Any]]:
    """What a classifier fitted to one split reaches on another.

    Far below .5 means that what is "real" in one looks "fake" in the other.
    """
    rows = []
    for fitted, scored in permutations(SPLITS, 2):
        # Without a signal inside a split there is no direction to compare.
        low = inside[fitted].low
        if low is None or low <= 0.5:
            continue
        across = transferred_auc(
            columns, labels, units, splits == fitted, splits == scored
        )
        if across.value is not None:
            rows.append(
                {
                    "by": kind,
                    "fitted": fitted,
                    "scored": scored,
                    "inside": inside[fitted].value,
                    **dataclasses.asdict(across),
                }
            )
    return rows


def _misnamed(images: Sequence[AuditedImage], root: Path) -> dict[str, list[int]]:
    """Folders most of whose files have the other class in their name.

    Returns:
        `{folder: [number of such files, number of files]}`.
    """
    found = {}
    for split in SPLITS:
        for label, name in enumerate(CLASS_NAMES):
            inside = [
                image.path.relative_to(root / split / name).as_posix().lower()
                for image in images
                if image.split == split and image.label == label
            ]
            count = sum(
                _names_class(file, CLASS_NAMES[1 - label])
                and not _names_class(file, name)
                for file in inside
            )
            if count > len(inside) / 2:
                found[f"{split}/{name}"] = [count, len(inside)]
    return found


def _names_class(file: str, name: str) -> bool:
    return any(re.search(rf"(?<![a-z]){w}(?![a-z])", file) for w in CLASS_WORDS[name])


def _describe_facts(
    told: Sequence[Mapping[str, Fact]],
    columns: Mapping[str, np.ndarray],
    labels: np.ndarray,
    units: np.ndarray,
) -> list[dict[str, Any]]:
    """Each fact that differs between files: what it alone reaches, and its values."""
    rows = []
    for name, column in columns.items():
        alone = cross_validated_auc({name: column}, labels, units)
        rows.append(
            {
                "name": name,
                "auc": alone.value,
                **{
                    class_name: _summarise(
                        [
                            facts[name]
                            for facts, own in zip(told, labels, strict=True)
                            if own == label
                        ]
                    )
                    for label, class_name in enumerate(CLASS_NAMES)
                },
            }
        )
    return sorted(rows, key=lambda row: -(row["auc"] or 0))


def _summarise(values: Sequence[Fact]) -> str:
    """The commonest values with their share, or the median and the middle 90 %."""
    common = Counter(values).most_common(3)
    numbers = not any(isinstance(value, str) for value in values)
    if numbers and len(common) == 3 and common[0][1] < len(values) / 2:
        low, middle, high = np.nanquantile(
            [np.nan if value is None else float(value) for value in values],
            [0.05, 0.5, 0.95],
        )
        return f"{middle:.3g} ({low:.3g} to {high:.3g})"
    texts = {
        value: "none"
        if value is None
        else value
        if isinstance(value, str)
        else f"{value:.4g}"
        for value, _ in common
    }
    return ", ".join(
        f"{texts[value]} {count / len(values):.0%}" for value, count in common
    )


def _describe_set(
    indices: Sequence[int],
    links: Sequence[tuple[int, int, int]],
    images: Sequence[AuditedImage],
    root: Path,
) -> dict[str, Any]:
    """One set of duplicates, the nearest pair of different splits or classes first."""

    def rank(link: tuple[int, int, int]) -> tuple[bool, bool, int]:
        first, second = images[link[0]], images[link[1]]
        return (first.split == second.split, first.label == second.label, link[2])

    nearest = min(links, key=rank)
    shown = [*nearest[:2], *(i for i in indices if i not in nearest[:2])]
    return {
        "files": [relative(images[i].path, root) for i in shown],
        "distance": int(nearest[2]),
        "across_splits": len({images[i].split for i in indices}) > 1,
        "across_classes": len({images[i].label for i in indices}) > 1,
    }


def _describe_near(
    links: np.ndarray, images: Sequence[AuditedImage], root: Path
) -> list[dict[str, Any]]:
    labels = grouping.connected(len(images), links)
    of_set: dict[int, list[tuple[int, int, int]]] = {}
    for first, second, distance in links.tolist():
        of_set.setdefault(labels[first], []).append((first, second, distance))
    sets = [
        _describe_set(indices.tolist(), of_set[labels[indices[0]]], images, root)
        for indices in members(labels)
    ]
    return sorted(sets, key=lambda each: each["distance"])
