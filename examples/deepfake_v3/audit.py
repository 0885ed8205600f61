"""Look at a data set before anyone trains on it.

An accuracy means something only if the test images are new to the detector and if
nothing but the forgery tells the classes apart. The audit looks for what public data
sets most often get wrong; `docs/guides/data.md` says what it cannot see.
"""

import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from examples.deepfake_v3.auditing.duplicates import check_distance
from examples.deepfake_v3.auditing.findings import judge
from examples.deepfake_v3.auditing.inspection import AuditedImage, inspect, relative
from examples.deepfake_v3.auditing.measurement import groups_across_splits, measure
from examples.deepfake_v3.errors import InputError, NotThereError
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading import groups as grouping
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS, list_files
from examples.deepfake_v3.loading.images import THREADS
from examples.deepfake_v3.loading.layout import extra_folders, find_layout
from examples.deepfake_v3.options.audit import AuditConfig
from examples.deepfake_v3.pages.audit_page import write_page

FOUND = 3
"""Exit code when there are warnings; 1 is an error, 2 a wrong command line."""

SAMPLES = 6  # images of each folder on the page


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
        "other_folders" of no class; "origins", marks of cameras, editors, generators
        and content credentials by class; "leak", what file facts reach; "content",
        what colour and noise reach; "directions" between splits; "misnamed" folders;
        "exact_duplicates" and "near_duplicates"; and "groups".

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
        inspected = pool.map(inspect, files)
        bar = tqdm(inspected, "auditing images", len(files), unit="file", disable=None)
        for (path, _, _), image in zip(files, bar, strict=True):
            if isinstance(image, str):
                unusable.append({"file": relative(path, root), "reason": image})
            else:
                images.append(image)
    group_of = [groups.get(relative(image.path, root)) for image in images]
    result = {
        "data_dir": str(root),
        "counts": _count(images),
        "unusable": unusable,
        "other_folders": [
            relative(folder, root)
            for split in SPLITS
            for folder in extra_folders(root / split)
        ],
        **measure(images, group_of, config.near_duplicate_distance, root),
        "groups": {
            "source": group_source,
            **groups_across_splits(group_of, images, root),
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
        raise NotThereError(
            f"`data_dir` must hold images as {{{','.join(SPLITS)}}}/"
            f"{{{','.join(CLASS_NAMES)}}}; there is no file in such a folder. "
            f"{find_layout(root).describe()} Received: data_dir={str(root)!r}"
        )
    return files


def _find_groups(
    config: AuditConfig, root: Path, names: Sequence[str]
) -> tuple[dict[str, str], str]:
    """`{file below root: group}` and where that comes from."""
    if config.groups is not None and config.group_pattern is not None:
        raise InputError(
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


def _count(images: Sequence[AuditedImage]) -> dict[str, dict[str, int]]:
    counted = Counter(image.place for image in images)
    return {
        split: {name: counted[f"{split}/{name}"] for name in CLASS_NAMES}
        for split in SPLITS
    }


def _draw_samples(images: Sequence[AuditedImage], root: Path) -> dict[str, list[str]]:
    """A few files of each folder, drawn at random, for a person to look at."""
    rng = np.random.default_rng(0)
    files: dict[str, list[str]] = {}
    for image in images:
        files.setdefault(image.place, []).append(relative(image.path, root))
    return {
        place: [inside[i] for i in sorted(rng.permutation(len(inside))[:SAMPLES])]
        for place, inside in files.items()
    }
