"""Look at a data set before anyone trains on it.

An accuracy means something only if the test images are new to the detector and if
nothing but the forgery tells the classes apart. The audit looks for what public data
sets most often get wrong; `docs/guides/data.md` says what it cannot see.
"""

import dataclasses
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from examples.deepfake_v3.auditing.content_statistics import measure_content
from examples.deepfake_v3.auditing.duplicates import (
    MAX_DISTANCE,
    check_distance,
    exact_duplicates,
    members,
    near_duplicates,
    perceptual_hash,
)
from examples.deepfake_v3.auditing.file_facts import Fact, as_columns, read_file_facts
from examples.deepfake_v3.auditing.findings import LEAK_AUC, judge
from examples.deepfake_v3.auditing.leaks import (
    Auc,
    cross_validated_auc,
    transferred_auc,
)
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading import groups as grouping
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS, list_files
from examples.deepfake_v3.loading.images import (
    THREADS,
    UnusableImageError,
    check_image,
    read_image,
)
from examples.deepfake_v3.pages.audit_page import write_page

FOUND = 3
"""Exit code when there are warnings; 1 is an error, 2 a wrong command line."""

SAMPLES = 6  # images of each folder on the page

# Words by which names often give the class. Only the audit of names uses them.
CLASS_WORDS = {"real": ("real", "original"), "fake": ("fake", "synthetic", "generated")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """Look at a data set before training: leaks, duplicates, groups, unusable files.

    The exit code is 0 if there is no warning, 3 if there is one.
    """

    data_dir: str = "data/processed"
    """Directory with {train,val,test}/{real,fake}."""
    reports_dir: str = "reports"
    """Where audit.html and audit.json are written."""
    groups: str | None = None
    """CSV file with the columns file (below data_dir) and group; data_dir/groups.csv
    if there is one."""
    group_pattern: str | None = None
    """Regular expression whose brackets catch the group in a file's name below its
    class folder."""
    near_duplicate_distance: int = MAX_DISTANCE
    """Bits of the 64-bit perceptual hash that may differ between near duplicates."""


@dataclasses.dataclass(frozen=True)
class _Image:
    """A file that can be used, and what was measured on it."""

    path: Path
    split: str
    label: int
    digest: str
    hash: int | None
    facts: dict[str, Fact]
    content: dict[str, float]

    @property
    def place(self) -> str:
        return f"{self.split}/{CLASS_NAMES[self.label]}"


def audit(config: AuditConfig) -> None:
    """The command: `audit_data_dir`, ending with the exit code."""
    if audit_data_dir(config)["warnings"]:
        sys.exit(FOUND)


def audit_data_dir(
    config: AuditConfig | None = None, **overrides: Any
) -> dict[str, Any]:
    """Audits a data set and writes `audit.html` and `audit.json`.

    Args:
        config: The options; None for the defaults.
        **overrides: Single options that replace those of `config`.

    Returns:
        What `audit.json` holds: "warnings" and "notes", lists of sentences; "counts"
        of usable images by split and class; "unusable" files with their reason;
        "leak", what file facts reach; "content", what colour and noise reach;
        "directions" between splits; "misnamed" folders; "exact_duplicates" and
        "near_duplicates"; and "groups".

    Raises:
        TypeError: If an override is not a field of `AuditConfig`.
        FileNotFoundError: If there is no split, or no manifest where one is named.
        ValueError: If an option is out of range or a manifest is malformed.
    """
    config = dataclasses.replace(config or AuditConfig(), **overrides)
    check_distance(config.near_duplicate_distance)
    start = time.monotonic()
    root = Path(config.data_dir)
    files = _list_places(root)
    names = [path.relative_to(root).as_posix() for path, _, _ in files]
    groups, group_source = _find_groups(config, root, names)

    images, unusable = [], []
    with ThreadPoolExecutor(THREADS) as pool:
        inspected = pool.map(_inspect, files)
        bar = tqdm(inspected, "auditing images", len(files), unit="file", disable=None)
        for (path, _, _), image in zip(files, bar, strict=True):
            if isinstance(image, str):
                unusable.append({"file": _relative(path, root), "reason": image})
            else:
                images.append(image)
    group_of = [groups.get(_relative(image.path, root)) for image in images]
    result = {
        "data_dir": str(root),
        "counts": _count(images),
        "unusable": unusable,
        **_measure(images, group_of, config.near_duplicate_distance, root),
        "groups": {
            "source": group_source,
            **_groups_across_splits(group_of, images, root),
        },
    }
    warnings, notes = judge(result)
    result = {"warnings": warnings, "notes": notes, **result}
    result["seconds"] = round(time.monotonic() - start, 1)

    reports = Path(config.reports_dir)
    with replacing(reports / "audit.json") as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    write_page(result, root, _draw_samples(images, root), reports / "audit.html")
    for kind, sentences in (("WARNING", warnings), ("note", notes)):
        for sentence in sentences:
            print(f"{kind}: {sentence}".encode(errors="replace").decode())
    print(
        f"Images: {len(images)}; warnings: {len(warnings)}. "
        f"See {reports / 'audit.html'} and {reports / 'audit.json'}."
    )
    return result


def _measure(
    images: Sequence[_Image],
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
    facts = as_columns([image.facts for image in images])
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
            "facts": _describe_facts(images, facts, labels, units),
        },
        "content": dataclasses.asdict(cross_validated_auc(content, labels, units)),
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


def _list_places(root: Path) -> list[tuple[Path, str, int]]:
    """Every file with its split and label; splits and classes may be missing."""
    files = [
        (path, split, label)
        for split in SPLITS
        for label, name in enumerate(CLASS_NAMES)
        if (root / split / name).is_dir()
        for path in list_files(root / split / name)
    ]
    if not files:
        raise FileNotFoundError(
            f"`data_dir` must hold images as {{{','.join(SPLITS)}}}/"
            f"{{{','.join(CLASS_NAMES)}}}; there is no file in such a folder. "
            f"Received: data_dir={str(root)!r}"
        )
    return files


def _find_groups(
    config: AuditConfig, root: Path, names: Sequence[str]
) -> tuple[dict[str, str], str]:
    """`{file below root: group}` and where that comes from."""
    if config.groups is not None and config.group_pattern is not None:
        raise ValueError(
            "Give `groups` or `group_pattern`, not both. Received: "
            f"groups={config.groups!r}, group_pattern={config.group_pattern!r}"
        )
    if config.group_pattern is not None:
        found = grouping.match_groups(
            [name.split("/", 2)[2] for name in names], config.group_pattern
        )
        pairs = zip(names, found, strict=True)
        return (
            {name: group for name, group in pairs if group},
            f"file names, by {config.group_pattern}",
        )
    return grouping.find_manifest(root, names, config.groups)


def _inspect(file: tuple[Path, str, int]) -> _Image | str:
    """What is measured on one file, or why it cannot be used."""
    path, split, label = file
    digest, reason = check_image(path)
    if reason:
        return reason
    try:
        pixels = read_image(path)
        facts = read_file_facts(path)
    except (OSError, UnusableImageError) as error:  # it may be gone meanwhile
        return f"not readable: {error}"
    return _Image(
        path,
        split,
        label,
        digest,
        perceptual_hash(pixels),
        facts,
        measure_content(pixels),
    )


def _near_links(images: Sequence[_Image], max_distance: int) -> np.ndarray:
    """Links between near duplicates; of exact duplicates only the first counts."""
    seen: set[str] = set()
    hashes = []
    for image in images:
        hashes.append(None if image.digest in seen else image.hash)
        seen.add(image.digest)
    return near_duplicates(hashes, max_distance)


def _count(images: Sequence[_Image]) -> dict[str, dict[str, int]]:
    counted = Counter(image.place for image in images)
    return {
        split: {name: counted[f"{split}/{name}"] for name in CLASS_NAMES}
        for split in SPLITS
    }


def _describe_facts(
    images: Sequence[_Image],
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
                        [image.facts[name] for image in images if image.label == label]
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


def _describe_set(
    indices: Sequence[int],
    links: Sequence[tuple[int, int, int]],
    images: Sequence[_Image],
    root: Path,
) -> dict[str, Any]:
    """One set of duplicates, the nearest pair of different splits or classes first."""

    def rank(link: tuple[int, int, int]) -> tuple[bool, bool, int]:
        first, second = images[link[0]], images[link[1]]
        return (first.split == second.split, first.label == second.label, link[2])

    nearest = min(links, key=rank)
    shown = [*nearest[:2], *(i for i in indices if i not in nearest[:2])]
    return {
        "files": [_relative(images[i].path, root) for i in shown],
        "distance": int(nearest[2]),
        "across_splits": len({images[i].split for i in indices}) > 1,
        "across_classes": len({images[i].label for i in indices}) > 1,
    }


def _describe_near(
    links: np.ndarray, images: Sequence[_Image], root: Path
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


def _groups_across_splits(
    group_of: Sequence[str | None], images: Sequence[_Image], root: Path
) -> dict[str, Any]:
    members_of: dict[str, list[_Image]] = {}
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
                        _relative(one_each[split].path, root)
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


def _draw_samples(images: Sequence[_Image], root: Path) -> dict[str, list[str]]:
    """A few files of each folder, drawn at random, for a person to look at."""
    rng = np.random.default_rng(0)
    files: dict[str, list[str]] = {}
    for image in images:
        files.setdefault(image.place, []).append(_relative(image.path, root))
    return {
        place: [inside[i] for i in sorted(rng.permutation(len(inside))[:SAMPLES])]
        for place, inside in files.items()
    }


def _misnamed(images: Sequence[_Image], root: Path) -> dict[str, list[int]]:
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


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
