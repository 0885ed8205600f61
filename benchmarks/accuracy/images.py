"""The images of one data set, or of several mixed, and what groups them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from examples.deepfake_v3.loading.data import (
    SPLITS,
    ImageList,
    check_data_dir,
    refuse_repeated_content,
)
from examples.deepfake_v3.loading.groups import find_manifest


def read_images(data_dirs: Sequence[str]) -> dict[str, ImageList]:
    """The images of all data directories, each in the split that it has in its own.

    Raises:
        ValueError: If the same content stands in two splits or in both classes, of one
            directory or of two.
    """
    sets = [check_data_dir(data_dir) for data_dir in data_dirs]
    images = {split: mixed([lists[split] for lists in sets]) for split in SPLITS}
    refuse_repeated_content(
        (path, split, label, digest)
        for split, mixture in images.items()
        for path, label, digest in zip(
            mixture.paths, mixture.labels, mixture.digests, strict=True
        )
    )
    return images


def mixed(lists: Sequence[ImageList]) -> ImageList:
    """Several lists as one, those of class 0 first."""
    labels = np.concatenate([images.labels for images in lists])
    paths = [path for images in lists for path in images.paths]
    digests = [digest for images in lists for digest in images.digests]
    order = np.argsort(labels, kind="stable")
    return ImageList(
        tuple(paths[i] for i in order),
        labels[order],
        tuple(digests[i] for i in order),
    )


def group_of_each(data_dirs: Sequence[str], images: ImageList) -> np.ndarray:
    """The group of every image; each is its own where there is no manifest."""
    groups = {}
    for root in map(Path, data_dirs):
        paths = [path for path in images.paths if path.is_relative_to(root)]
        names = [path.relative_to(root).as_posix() for path in paths]
        known, _ = find_manifest(root, names)
        for path, name in zip(paths, names, strict=True):
            groups[path] = f"{root}: {known.get(name, name)}"
    return np.array([groups[path] for path in images.paths])
