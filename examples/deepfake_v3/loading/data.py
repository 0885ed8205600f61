"""The images of `data_dir/{train,val,test}/{real,fake}`.

Every file is opened once before training. Files that cannot be used are quarantined:
listed with the reason and left out. Layouts that would make a result meaningless stop
the run.
"""

import csv
import dataclasses
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from examples.deepfake_v3.errors import InputError, NotThereError
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.images import EXTENSIONS, THREADS, check_image
from examples.deepfake_v3.loading.layout import extra_folders, find_layout

CLASS_NAMES = ("real", "fake")  # label 0, label 1, whatever the alphabet says
SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class ImageList:
    """The usable images of one split.

    Attributes:
        paths: Files, those of class 0 first.
        labels: Integer array of the same length, real = 0 and fake = 1.
        digests: Hashes of their pixels, where they were checked.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray
    digests: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def class_weights(self) -> np.ndarray:
        """Weights `[real, fake]` that make both count alike: `n / (2 * n_class)`."""
        return len(self) / (2 * np.bincount(self.labels, minlength=2))

    def fingerprints(self) -> np.ndarray:
        """A hash of each image's name, label and pixels, as uint64 in order."""
        listed = zip(
            self.paths, self.labels, self.digests or [""] * len(self), strict=True
        )
        hashes = [
            # A name need not be valid UTF-8.
            hashlib.sha256(
                f"{path} {label} {digest}".encode(errors="surrogateescape")
            ).digest()[:8]
            for path, label, digest in listed
        ]
        return np.frombuffer(b"".join(hashes), "<u8")

    def with_shuffled_labels(self, seed: int) -> "ImageList":
        """The same images with permuted labels: a control without a signal.

        Every label has the same share of both classes. Chance alone would leave a few
        more with their own, and where classes are easily told apart, that is a signal.
        """
        rng = np.random.default_rng(seed)
        real, fake = (np.flatnonzero(self.labels == label) for label in (0, 1))
        swapped = round(len(real) * len(fake) / len(self))
        labels = self.labels.copy()
        labels[rng.permutation(real)[:swapped]] = 1
        labels[rng.permutation(fake)[:swapped]] = 0
        return dataclasses.replace(self, labels=labels)

    def limited(self, images_per_class: int | None, seed: int) -> "ImageList":
        """At most `images_per_class` images of each class, drawn at random."""
        if images_per_class is None:
            return self
        rng = np.random.default_rng(seed)
        chosen = np.sort(
            np.concatenate(
                [
                    rng.permutation(np.flatnonzero(self.labels == label))[
                        :images_per_class
                    ]
                    for label in (0, 1)
                ]
            )
        )
        return ImageList(
            tuple(self.paths[i] for i in chosen),
            self.labels[chosen],
            tuple(self.digests[i] for i in chosen) if self.digests else (),
        )


def check_data_dir(
    data_dir: str | Path,
    splits: Sequence[str] = SPLITS,
    report_path: str | Path | None = None,
    *,
    one_class: Collection[str] = (),
) -> dict[str, ImageList]:
    """Opens every file once and returns the usable ones.

    Args:
        data_dir: Directory with `{train,val,test}/{real,fake}`.
        splits: The splits to read.
        report_path: CSV file for the quarantine report (file, reason); none is
            written without it.
        one_class: Splits that may hold images of one class alone.

    Returns:
        `{split: ImageList}`.

    Raises:
        FileNotFoundError: If a directory is missing.
        ValueError: If a class has no usable image, or the same content stands in two
            splits or in both classes.
    """
    data_dir = Path(data_dir)
    folders = class_folders(data_dir, splits, one_class=one_class)
    for split in splits:
        if extra := extra_folders(data_dir / split):
            print(f"Not used: {', '.join(map(str, extra))}, which is no class here.")
    files = [
        (path, split, label, reason)
        for (split, label), folder in folders.items()
        if folder.is_dir()
        for path, reason in sorted(_walk(folder))
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        checked = pool.map(
            lambda file: ("", file[3]) if file[3] else check_image(file[0]), files
        )
        results = list(
            # disable=None: a bar on a terminal only, not in log files.
            tqdm(checked, "checking images", len(files), unit="file", disable=None)
        )

    quarantine = [
        (path, reason)
        for (path, *_), (_, reason) in zip(files, results, strict=True)
        if reason
    ]
    if report_path is not None:
        with replacing(report_path) as partial:
            write_quarantine([("file", "reason"), *quarantine], partial)
    usable = [
        (path, split, label, digest)
        for (path, split, label, _), (digest, _) in zip(files, results, strict=True)
        if digest
    ]
    refuse_repeated_content(usable)
    lists = {}
    for split in splits:
        chosen = [
            (path, label, digest) for path, s, label, digest in usable if s == split
        ]
        there = {label for _, label, _ in chosen}
        for label, name in enumerate(CLASS_NAMES):
            if label not in there and not (split in one_class and there):
                raise InputError(
                    f"No usable image in {folders[split, label]} "
                    f"({len(quarantine)} files are quarantined"
                    + (f", see {report_path}" if report_path else "")
                    + "). Put images of class "
                    f"{name!r} there: {', '.join(sorted(EXTENSIONS))}."
                )
        lists[split] = ImageList(
            tuple(path for path, _, _ in chosen),
            np.array([label for _, label, _ in chosen], "int64"),
            tuple(digest for _, _, digest in chosen),
        )
    counts = ", ".join(
        f"{split} {np.bincount(images.labels, minlength=2).tolist()}"
        for split, images in lists.items()
    )
    print(f"Images [real, fake]: {counts}; {len(quarantine)} files quarantined.")
    return lists


def class_folders(
    data_dir: str | Path,
    splits: Sequence[str] = SPLITS,
    *,
    one_class: Collection[str] = (),
) -> dict[tuple[str, int], Path]:
    """The folder of each split and label, of which none is looked into.

    Raises:
        FileNotFoundError: If one is missing that must be there.
    """
    data_dir = Path(data_dir)
    folders = {
        (split, label): data_dir / split / name
        for split in splits
        for label, name in enumerate(CLASS_NAMES)
    }
    there = {split for (split, _), folder in folders.items() if folder.is_dir()}
    missing = [
        folder
        for (split, _), folder in folders.items()
        if not folder.is_dir() and split not in there.intersection(one_class)
    ]
    if missing:
        raise missing_folders("data_dir", data_dir, splits, missing)
    return folders


def missing_folders(
    argument: str, data_dir: Path, splits: Sequence[str], missing: Sequence[Path]
) -> NotThereError:
    """The error for a directory of another layout: what it holds, and what to do."""
    if len(missing) == len(splits) * len(CLASS_NAMES):
        what = "none of these folders is there."
    else:
        names = ", ".join(path.relative_to(data_dir).as_posix() for path in missing)
        what = f"{names} {'is' if len(missing) == 1 else 'are'} missing."
    return NotThereError(
        f"`{argument}` must hold {{{','.join(splits)}}}/{{{','.join(CLASS_NAMES)}}}; "
        f"{what} {find_layout(data_dir).describe()} "
        f"Received: {argument}={str(data_dir)!r}"
    )


def list_files(folder: Path) -> list[Path]:
    """The files below a folder, but for hidden ones, in the order of their names."""
    return [path for path, _ in sorted(_walk(folder))]


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """All files below a folder, with `""` or the reason why they cannot be looked at.

    Hidden files and folders are left out (`.ipynb_checkpoints`). Links to folders are
    not followed, since they may lead in circles.
    """
    folders = [folder]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.is_symlink() and os.path.isdir(entry.path):
                        yield Path(entry.path), "a link to a folder: link files instead"
                    else:
                        yield Path(entry.path), ""
        except OSError as error:
            yield folder, f"a folder that cannot be read: {error.strerror}"


def refuse_repeated_content(usable: Iterable[tuple[Path, str, int, str]]) -> None:
    """Raises ValueError where one content stands in two splits or in both classes.

    Args:
        usable: Path, split, label and hash of the pixels of every image.
    """
    first: dict[str, tuple[Path, str, int]] = {}
    repeated = []
    for path, split, label, digest in usable:
        other_path, other_split, other_label = first.setdefault(
            digest, (path, split, label)
        )
        if (split, label) != (other_split, other_label):
            repeated.append(f"{other_path} = {path}")
    if repeated:
        more = f" and {len(repeated) - 5} more" if len(repeated) > 5 else ""
        raise InputError(
            "The same image content stands in two splits or in both classes, so a "
            "test on it means nothing. Remove one of each pair: "
            f"{'; '.join(repeated[:5])}{more}"
        )


def write_quarantine(
    rows: Iterable[tuple[Path | str, str]], report_path: Path, mode: str = "w"
) -> None:
    """Writes rows of the quarantine report; mode `"a"` appends them."""
    # Names need not be valid UTF-8.
    with report_path.open(
        mode, newline="", encoding="utf-8", errors="backslashreplace"
    ) as file:
        csv.writer(file).writerows(rows)
