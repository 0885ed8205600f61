"""Which image goes into which split, and which into none."""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from examples.deepfake_v3.auditing.duplicates import (
    exact_duplicates,
    members,
    near_duplicates,
)
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.loading import groups as grouping
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS
from examples.deepfake_v3.options.prepare import PrepareConfig
from examples.deepfake_v3.preparing.sources import Source

SUFFIXES = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JXL": ".jxl",
}


@dataclasses.dataclass(frozen=True)
class Planned:
    """An image that goes into the result."""

    source: Source
    split: str
    group: str


def make_plan(
    sources: Sequence[Source], groups: Mapping[str, str], config: PrepareConfig
) -> tuple[dict[str, Planned], dict[str, str]]:
    """`{file of the result: image}`, and `{source file: why it is left out}`."""
    left_out = {source.name: source.reason for source in sources if source.reason}
    usable = [source for source in sources if not source.reason]

    # Links between images that belong on one side, those that are left out included:
    # two videos that share a frame are no independent videos.
    same = exact_duplicates([source.digest for source in usable])
    for indices in same:
        first = usable[indices[0]]
        both = len({usable[i].label for i in indices}) > 1
        for i in indices if both else indices[1:]:
            left_out[usable[i].name] = (
                "same pixels in both classes: "
                + ", ".join(usable[j].name for j in indices)
                if both
                else f"same pixels as {first.name}"
            )
    repeated = {i for indices in same for i in indices[1:]}
    near = near_duplicates(
        [None if i in repeated else s.hash for i, s in enumerate(usable)],
        config.near_duplicate_distance,
    )
    links = [(indices[0], i) for indices in same for i in indices[1:]]
    links += [(i, j) for i, j, _ in near.tolist()]
    if config.near_duplicates == "one":
        for alike in members(grouping.connected(len(usable), near)):
            first_of: dict[int, Source] = {}
            for i in alike:
                if usable[i].name not in left_out:
                    first = first_of.setdefault(usable[i].label, usable[i])
                    if first is not usable[i]:
                        left_out[usable[i].name] = f"near duplicate of {first.name}"
    units = grouping.units([groups.get(source.name) for source in usable], links)

    kept = [i for i, source in enumerate(usable) if source.name not in left_out]
    for label, name in enumerate(CLASS_NAMES):
        if not any(usable[i].label == label for i in kept):
            lost = [source.name for source in sources if source.label == label]
            example = f"{lost[0]}: {left_out[lost[0]]}" if lost else "there is no file"
            raise InputError(
                f"There is no usable image of class {name!r} in its folders ({example})"
                f". Received: {name}={getattr(config, name)}"
            )
    images, units = [usable[i] for i in kept], units[kept]
    splits = _assign_splits(images, units, config)
    names = _name_units(images, units, groups)
    plan = {}
    for i in (
        _balanced(images, splits, config.seed) if config.balance else range(len(images))
    ):
        source, split = images[i], SPLITS[splits[i]]
        file = (
            f"{split}/{CLASS_NAMES[source.label]}/{source.sha256[:16]}"
            f"{SUFFIXES['JPEG' if config.jpeg_quality else source.format]}"
        )
        plan[file] = Planned(source, split, names[units[i]])
    planned = {image.source.name for image in plan.values()}
    for source in images:
        if source.name not in planned:
            left_out[source.name] = "left out to balance the classes"
    return plan, left_out


def _assign_splits(
    images: Sequence[Source], units: np.ndarray, config: PrepareConfig
) -> np.ndarray:
    """The split of each image: whole units, each folder in the wanted shares."""
    folders = sorted({image.file.folder for image in images})
    folder_of = np.array([folders.index(image.file.folder) for image in images], int)
    numbers, unit_of = np.unique(units, return_inverse=True)
    counts = np.zeros((len(numbers), len(folders)))
    np.add.at(counts, (unit_of, folder_of), 1)
    wanted = np.outer(config.split, counts.sum(axis=0))

    # The order hangs on content and seed alone; large units first, while there is room.
    keys = [""] * len(numbers)
    for image, unit in zip(images, unit_of, strict=True):
        keys[unit] = min(keys[unit] or image.digest, image.digest)
    order = sorted(
        range(len(numbers)),
        key=lambda unit: (-counts[unit].sum(), _shuffled(keys[unit], config.seed)),
    )
    missing = wanted.copy()
    split_of_unit = np.zeros(len(numbers), int)
    for unit in order:
        # What the unit takes off the squared error, relative to what is wanted.
        gain = (counts[unit] * (2 * missing - counts[unit]) / wanted).sum(axis=1)
        split_of_unit[unit] = gain.argmax()
        missing[split_of_unit[unit]] -= counts[unit]
    splits = split_of_unit[unit_of]
    labels = np.array([image.label for image in images], int)
    for label, name in enumerate(CLASS_NAMES):
        found = np.bincount(splits[labels == label], minlength=len(SPLITS))
        if not found.all():
            empty = ", ".join(s for s, n in zip(SPLITS, found, strict=True) if not n)
            raise InputError(
                f"Class {name!r} is too small: nothing is left for {empty}. It has "
                f"{found.sum()} images in {len(set(unit_of[labels == label]))} sets "
                "that may not be separated (groups and near duplicates). Add images, "
                "or give `split` larger shares there, or a smaller "
                f"`near_duplicate_distance`. Received: split={config.split}, "
                f"near_duplicate_distance={config.near_duplicate_distance}"
            )
    return splits


def _shuffled(key: str, seed: int) -> str:
    """Sorting by this is a random order that depends on nothing else."""
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()


def _name_units(
    images: Sequence[Source], units: np.ndarray, groups: Mapping[str, str]
) -> dict[int, str]:
    """A name for each unit: its first group, or else its first image."""
    candidates: dict[int, list[tuple[bool, str]]] = {}
    for image, unit in zip(images, units, strict=True):
        group = groups.get(image.name)
        candidates.setdefault(unit, []).append(
            (group is None, group or f"image {image.sha256[:16]}")
        )
    return {unit: min(names)[1] for unit, names in candidates.items()}


def _balanced(images: Sequence[Source], splits: np.ndarray, seed: int) -> Iterator[int]:
    """The images that stay when both classes of each split get equally many."""
    for split in range(len(SPLITS)):
        classes = [
            sorted(
                (
                    i
                    for i, image in enumerate(images)
                    if splits[i] == split and image.label == label
                ),
                key=lambda i: _shuffled(images[i].digest, seed),
            )
            for label in range(len(CLASS_NAMES))
        ]
        for inside in classes:
            yield from inside[: min(map(len, classes))]
