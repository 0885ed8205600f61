"""Which images belong together: one video, one person, one source."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from examples.deepfake_v3.errors import InputError, NotThereError

FILE_NAME = "groups.csv"


def read_groups(path: str | Path) -> dict[str, str]:
    """Reads a manifest of groups.

    Args:
        path: CSV file with the columns file and group; further columns are ignored.

    Returns:
        `{file: group}`, files as the manifest writes them, with forward slashes.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column is missing, or a file stands in two groups.
    """
    path = Path(path)
    if not path.is_file():
        raise NotThereError(
            "`groups` must be a CSV file with the columns file and group. "
            f"Received: groups={str(path)!r}"
        )
    groups: dict[str, str] = {}
    # File names need not be UTF-8; a spreadsheet puts a mark before the first column.
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.DictReader(file)
        if not {"file", "group"} <= set(reader.fieldnames or ()):
            raise InputError(
                "`groups` must have the columns file and group. "
                f"Received: groups={str(path)!r} with the columns {reader.fieldnames}"
            )
        for row in reader:
            name = Path(row["file"] or "").as_posix()
            group = (row["group"] or "").strip()
            if group and groups.setdefault(name, group) != group:
                raise InputError(
                    f"`groups` must name one group a file; {name!r} is in "
                    f"{groups[name]!r} and {group!r}. Received: groups={str(path)!r}"
                )
    return groups


def find_manifest(
    root: Path, names: Sequence[str], manifest: str | Path | None = None
) -> tuple[dict[str, str], str]:
    """The groups of the files of a data directory, where they are known.

    Args:
        root: The data directory.
        names: Its files, below `root`, with forward slashes.
        manifest: CSV file with the columns file and group; `groups.csv` in `root` if
            there is one.

    Returns:
        `({file: group}, path of the manifest)`, or `({}, "")` without one.

    Raises:
        FileNotFoundError: If there is no such manifest.
        ValueError: If it is malformed, or names none of the files.
    """
    path = Path(manifest) if manifest else root / FILE_NAME
    if manifest is None and not path.is_file():
        return {}, ""
    groups = read_groups(path)
    if not groups.keys() & set(names):
        raise InputError(
            f"`groups` names none of the files below {root}; its files must look like "
            f"{names[0]!r}. Received: groups={str(path)!r}"
        )
    return groups, str(path)


def match_groups(names: Iterable[str], pattern: str) -> list[str | None]:
    """The group of each file by its name.

    Args:
        names: Files below their class folder, with forward slashes.
        pattern: Regular expression, searched in each name. What its brackets catch is
            the group, or the whole match where it has none.

    Returns:
        A group, or None where the pattern does not match.

    Raises:
        ValueError: If the pattern is no regular expression, or matches no file.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"`group_pattern` must be a regular expression: {error}. "
            f"Received: group_pattern={pattern!r}"
        ) from error
    names = list(names)
    found = [expression.search(name) for name in names]
    if names and not any(found):
        raise InputError(
            f"`group_pattern` matches none of {len(names)} files, such as "
            f"{names[0]!r}. Received: group_pattern={pattern!r}"
        )
    return [
        match and "/".join(part or "" for part in (match.groups() or (match[0],)))
        for match in found
    ]


def units(groups: Sequence[str | None], links: Iterable[tuple[int, int]]) -> np.ndarray:
    """What must stay together: images that share a group or are linked.

    Args:
        groups: Group of each image, or None.
        links: Pairs of indices of images.

    Returns:
        Integer array, equal for images that must stay together.
    """
    nodes = {
        group: len(groups) + node
        for node, group in enumerate(dict.fromkeys(filter(None, groups)))
    }
    shared = [(i, nodes[group]) for i, group in enumerate(groups) if group]
    edges = np.array([*shared, *links], "int64").reshape(-1, 2)
    return connected(len(groups) + len(nodes), edges)[: len(groups)]


def connected(size: int, links: np.ndarray) -> np.ndarray:
    """Numbers that are equal for what is linked, directly or through others.

    Args:
        size: Number of items.
        links: Array whose first two columns are indices of items.

    Returns:
        Integer array of shape `(size,)`.
    """
    ones = np.ones(len(links), "int8")
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(size, size))
    return connected_components(graph, directed=False)[1]
