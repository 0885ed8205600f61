"""Images that are there twice: the same pixels, or pixels that look the same.

Near duplicates are found by a perceptual hash (`imagehash.phash`: 64 bits of the low
frequencies of the grey image). On photographs it survives recompression, scaling and
mild brightness changes, and not a crop of 5 % or a mirror. What it finds are candidates
for a person to look at.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.options.choices import MAX_DISTANCE

BITS = 64
FLAT = 2.0  # grey levels: the standard deviation below which a hash is only noise
COMPARED = 2**22  # pairs compared at a time, and links kept before they are thinned


def perceptual_hash(pixels: np.ndarray) -> int | None:
    """The 64-bit hash of an image, or None if it is flat.

    Args:
        pixels: Array of shape `(height, width, 3)`, uint8.
    """
    grey = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.BOX)
    if np.asarray(grey).std() < FLAT:
        return None
    bits = imagehash.phash(Image.fromarray(pixels)).hash
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def check_distance(max_distance: int) -> None:
    """Raises ValueError if it is no number of bits that makes sense."""
    if not 0 <= max_distance <= BITS // 4:
        raise InputError(
            "`near_duplicate_distance` must be 0 to 16 of the 64 bits: unrelated "
            "images differ in about 32. Received: "
            f"near_duplicate_distance={max_distance}"
        )


def exact_duplicates(digests: Sequence[str]) -> list[list[int]]:
    """Sets of indices with the same digest, each of at least two."""
    sets = defaultdict(list)
    for index, digest in enumerate(digests):
        sets[digest].append(index)
    return [members for members in sets.values() if len(members) > 1]


def near_duplicates(
    hashes: Sequence[int | None], max_distance: int = MAX_DISTANCE
) -> np.ndarray:
    """Links between images whose hashes are near.

    All pairs are compared, in blocks: half a second for 16,000 images, growing with
    the square of their number. Of the links in a set of near duplicates those are kept
    that hold it together, the nearest first: as many as it has members, less one, and
    among them the nearest link between any two parts of the set.

    Args:
        hashes: Hash of each image, None for those without.
        max_distance: Bits that may differ.

    Returns:
        Integer array of shape `(links, 3)`: index, index, distance in bits.
    """
    known = np.array([i for i, each in enumerate(hashes) if each is not None], "int64")
    values = np.array([each for each in hashes if each is not None], "uint64")
    unique, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    others = np.setdiff1d(np.arange(len(values)), first)
    same = np.stack(
        [known[first[inverse[others]]], known[others], np.zeros_like(others)], axis=1
    )
    forest = np.empty((0, 3), "int64")
    rows = max(1, COMPARED // max(1, len(unique)))
    for start in range(0, len(unique), rows):
        block = unique[start : start + rows, None]
        distances = np.bitwise_count(block ^ unique[None, start:])
        row, column = np.nonzero(distances <= max_distance)
        later = column > row
        row, column = row[later], column[later]
        found = np.stack([row + start, column + start, distances[row, column]], axis=1)
        forest = np.concatenate([forest, found.astype("int64")])
        if len(forest) > COMPARED:
            forest = _spanning(forest, len(unique))
    forest = _spanning(forest, len(unique))
    near = np.stack(
        [known[first[forest[:, 0]]], known[first[forest[:, 1]]], forest[:, 2]], axis=1
    )
    links = np.concatenate([same, near])
    return links[np.lexsort((links[:, 1], links[:, 0], links[:, 2]))]


def _spanning(links: np.ndarray, size: int) -> np.ndarray:
    """The shortest links that hold together what `links` holds together."""
    # SciPy takes 0 for "no link".
    graph = coo_array((links[:, 2] + 1, (links[:, 0], links[:, 1])), shape=(size, size))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    return np.stack([tree.row, tree.col, tree.data - 1], axis=1).astype("int64")


def members(labels: np.ndarray) -> Iterator[np.ndarray]:
    """The indices that share each label, for labels that at least two share."""
    order = np.argsort(labels, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(part) > 1:
            yield part
