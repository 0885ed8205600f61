"""Patches of edited photographs, cut where no grid of blocks aligns with them."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.manipulation.edits import CLASSES, Strengths, edit

SIZE = 64  # side of a patch in pixels
GRID = 8  # side of a JPEG block in pixels
MARGIN = 8  # pixels at the border that no patch shows: there the filters mirrored
SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"}
SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Patches:
    """Patches with what is known of each."""

    pixels: np.ndarray
    """Grey levels, uint8 `(patches, SIZE, SIZE, 1)`."""
    labels: np.ndarray
    """Index in `CLASSES`, `(patches,)`."""
    photographs: np.ndarray
    """Which photograph a patch shows, `(patches,)`."""
    offsets: np.ndarray
    """Row and column of its first pixel in the edited photograph, `(patches, 2)`."""


def list_photographs(data_dirs: tuple[str, ...]) -> dict[str, list[Path]]:
    """Finds the photographs of every split.

    Args:
        data_dirs: The first holds train, val and test; the others are further test
            sets, and hold test or the photographs themselves.

    Returns:
        `{"train": …, "val": …, "<name of a directory>": …, …}`: the photographs to
        train on, to choose the epoch on, and those of each test set.

    Raises:
        ValueError: If a split has no photographs, if two directories have the same
            name, or if a photograph is there twice.
    """
    first = Path(data_dirs[0])
    lists = {split: _list(first / split) for split in SPLITS[:2]}
    for directory in map(Path, data_dirs):
        name = directory.resolve().name
        if name in lists:
            raise ValueError(
                "Test sets are called like their directories, and train and val are "
                f"taken: rename one. Received: data_dir={data_dirs}"
            )
        test = directory / "test"
        lists[name] = _list(test if directory == first or test.is_dir() else directory)
    _check_distinct(lists)
    return lists


def _list(directory: Path) -> list[Path]:
    paths = sorted(
        path
        for path in (directory.iterdir() if directory.is_dir() else ())
        if path.suffix.lower() in SUFFIXES
    )
    if not paths:
        raise ValueError(
            "A directory must hold photographs, and the first also the splits train, "
            f"val and test. Received: no photographs in {directory}"
        )
    return paths


def _check_distinct(lists: dict[str, list[Path]]) -> None:
    """Raises a `ValueError` if two files are the same."""
    seen: dict[str, Path] = {}
    for path in (path for paths in lists.values() for path in paths):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in seen:
            raise ValueError(
                "A photograph may be in one split, once: remove one. "
                f"Received: {seen[digest]} and {path}"
            )
        seen[digest] = path


def read_green(path: Path) -> np.ndarray:
    """The green channel of a photograph, uint8 `(height, width)`.

    Raises:
        ValueError: If it is too small for a patch.
    """
    with Image.open(path) as image:
        green = np.asarray(image.convert("RGB"))[..., 1]
    if min(green.shape) < SIZE + 2 * MARGIN + GRID - 1:
        raise ValueError(
            f"Photographs must have at least {SIZE + 2 * MARGIN + GRID - 1} pixels a "
            f"side. Received: {path} of shape {green.shape}"
        )
    return green


def edit_photographs(
    paths: list[Path], strengths: Strengths, seed: int = 0
) -> list[list[np.ndarray]]:
    """Edits every photograph in every way.

    Args:
        paths: Files of the photographs.
        strengths: How strong the edits are.
        seed: Seed of the noise.

    Returns:
        For each photograph its edited forms, in the order of `CLASSES`.
    """
    edited = []
    for index, path in enumerate(paths):
        green = read_green(path)
        rng = np.random.default_rng((seed, index))
        edited.append([edit(green, name, strengths, rng) for name in CLASSES])
    return edited


def cut_patches(
    edited: list[list[np.ndarray]], count: int, rng: np.random.Generator
) -> Patches:
    """Cuts patches at random offsets, as many from each photograph in each form.

    Args:
        edited: As `edit_photographs` returns them.
        count: Patches of each photograph in each class.
        rng: Draws the offsets.

    Returns:
        The patches, photograph by photograph and there class by class.
    """
    pixels, labels, photographs, offsets = [], [], [], []
    for photograph, forms in enumerate(edited):
        for label, form in enumerate(forms):
            for top, left in draw_offsets(form.shape, count, rng):
                pixels.append(form[top : top + SIZE, left : left + SIZE, None])
                labels.append(label)
                photographs.append(photograph)
                offsets.append((top, left))
    return Patches(
        np.stack(pixels), np.array(labels), np.array(photographs), np.array(offsets)
    )


def draw_offsets(
    shape: tuple[int, ...], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Rows and columns of first pixels, `(count, 2)`.

    They are drawn from a whole number of blocks, so that a grid of blocks stands in
    all of its 64 places equally often.
    """
    blocks = (np.array(shape) - 2 * MARGIN - SIZE + 1) // GRID
    return MARGIN + rng.integers(GRID * blocks, size=(count, 2))
