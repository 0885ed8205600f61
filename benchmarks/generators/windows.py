"""Windows of photographs, untouched or processed, and what networks made of them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from examples.deepfake_v3.errors import InputError, NotThereError
from examples.deepfake_v3.loading.data import SPLITS
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.loading.processing import (
    KINDS,
    compress,
    process_at_random,
)

SIDE = 128  # pixels of a window
UNTOUCHED = "untouched"
QUALITIES = (90, 75, 50)  # of the compression of test images
SCALE = 0.8  # of a photograph, before windows are cut from it
KERNELS = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)

PROCESSING = tuple(kind for kind in KINDS if kind != "JPEG")
"""Kinds of processing. Compression is none: what was only compressed is untouched."""

FAKE_COPIES = 2  # of a training fake, each processed in another way
WINDOWS = {UNTOUCHED: 4, "resizing": 4}  # of a photograph, by kind
OTHER_WINDOWS = 2  # of a photograph, of each other kind

FACTS = ("set", "split", "generator", "label", "kind", "photograph")


@dataclasses.dataclass(frozen=True)
class Windows:
    """Images of one size, and what is known of each.

    Attributes:
        pixels: uint8 `(images, SIDE, SIDE, 3)`.
        facts: Record array with the fields `FACTS`: the set ("pairs", "photographs",
            "processed" or "named"), the split, the generator ("" for a photograph), the
            label (fake 1), what was done to it, and the photograph it is of.
    """

    pixels: np.ndarray
    facts: np.recarray

    def __len__(self) -> int:
        return len(self.facts)


class _Collection:
    """Windows as they are found, in a fixed order."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.pixels: list[np.ndarray] = []
        self.facts: list[tuple] = []

    def add(self, image: np.ndarray, *, kind: str = UNTOUCHED, **facts) -> None:
        self.pixels.append(image)
        values = facts | {"kind": kind}
        self.facts.append(tuple(values[name] for name in FACTS))

    def add_processed(self, image: np.ndarray, kind: str, **facts) -> None:
        """The image after classical processing, compressed once more."""
        if kind != UNTOUCHED:
            image = process_at_random(image, self.rng, (kind,))
        self.add(self._stored(image), kind=kind, **facts)

    def _stored(self, image: np.ndarray) -> np.ndarray:
        """Half of them as the files of the sets are, the others at any quality."""
        if self.rng.random() < 0.5:
            return compress(image, 95, "4:4:4")
        return process_at_random(image, self.rng, ("JPEG",))

    def add_file(self, path: Path, **facts) -> None:
        """A file; in training, copies of it; in the other splits, compressed ones."""
        image = crop_to_size(read_image(path), SIDE)
        facts |= {"photograph": path.stem}
        self.add(image, **facts)
        if facts["split"] != "train":
            for quality in QUALITIES:
                self.add(compress(image, quality), kind=f"quality {quality}", **facts)
            return
        self.add_processed(image, UNTOUCHED, **facts)
        if facts["label"]:
            for kind in self.rng.choice(PROCESSING, FAKE_COPIES, replace=False):
                self.add_processed(image, str(kind), **facts)

    def windows(self) -> Windows:
        facts = np.rec.fromrecords(self.facts, names=FACTS)
        return Windows(np.stack(self.pixels), facts)


def read_windows(
    pairs_dir: str | Path,
    photographs_dirs: Sequence[str | Path],
    hard_negatives_dir: str | Path,
    named_dir: str | Path | None = None,
    seed: int = 0,
) -> Windows:
    """Reads all sets, and processes photographs and fakes.

    Args:
        pairs_dir: `generator/{train,val,test}/{real,fake}`: windows of photographs, and
            what each generator made of them.
        photographs_dirs: The photographs themselves, in folders of their own or
            further down, with names that end like those of their windows. Only from
            them can a window be processed and then compressed once.
        hard_negatives_dir: `kind/{train,val,test}/real`: processed photographs, which
            are never trained on.
        named_dir: `generator/{train,val,test}/fake` and `real/{train,val,test}/real`.
        seed: Draws windows and processing.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If a folder holds no images, or photographs are in several splits.
    """
    found = _Collection(seed)
    for generator in _folders(pairs_dir):
        for split, name, path in _files(generator, ("real", "fake")):
            found.add_file(
                path,
                set="pairs",
                split=split,
                generator=generator.name,
                label=int(name == "fake"),
            )
    splits = _splits_of_photographs(found.facts)
    for path in _photographs(photographs_dirs):
        if (split := splits.get(_number(path.stem))) is not None:
            _add_photograph(found, path, split)
    for kind in _folders(hard_negatives_dir):
        for split, _, path in _files(kind, ("real",)):
            found.add(
                crop_to_size(read_image(path), SIDE),
                set="processed",
                split=split,
                generator="",
                label=0,
                kind=kind.name,
                photograph=path.stem,
            )
    for generator in _folders(named_dir) if named_dir else ():
        for split, name, path in _files(generator, ("real", "fake")):
            found.add_file(
                path,
                set="named",
                split=split,
                generator="" if name == "real" else generator.name,
                label=int(name == "fake"),
            )
    return found.windows()


def _add_photograph(found: _Collection, path: Path, split: str) -> None:
    facts = {
        **{"set": "photographs", "split": split, "generator": "", "label": 0},
        "photograph": path.stem,
    }
    photograph = Image.fromarray(read_image(path))
    size = tuple(round(SCALE * side) for side in photograph.size)
    for kind in (UNTOUCHED, *PROCESSING):
        for _ in range(WINDOWS.get(kind, OTHER_WINDOWS)):
            kernel = Image.Resampling(found.rng.choice(KERNELS))
            reduced = np.asarray(photograph.resize(size, kernel))
            window = crop_to_size(reduced, SIDE, tuple(found.rng.random(2)))
            found.add_processed(window, kind, **facts)


def _number(stem: str) -> str:
    """What the names of a photograph and of its windows have in common."""
    return stem.rpartition("_")[2]


def _splits_of_photographs(facts: Sequence[tuple]) -> dict[str, str]:
    splits: dict[str, str] = {}
    for fact in facts:
        values = dict(zip(FACTS, fact, strict=True))
        number, split = _number(values["photograph"]), values["split"]
        if splits.setdefault(number, split) != split:
            raise InputError(
                f"Windows of the photograph {values['photograph']} are in the splits "
                f"{splits[number]} and {split}: keep each photograph in one split."
            )
    return splits


def _photographs(folders: Sequence[str | Path]) -> list[Path]:
    paths = {
        path
        for folder in folders
        for path in _existing(folder).rglob("*")
        if path.suffix in (".jpg", ".png")
    }
    if not paths:
        raise InputError(f"No photographs. Received: photographs_dirs={folders}")
    return sorted(paths, key=lambda path: (path.stem, path))


def _existing(folder: str | Path) -> Path:
    if not Path(folder).is_dir():
        raise NotThereError(f"No such folder: {folder}")
    return Path(folder)


def _folders(folder: str | Path) -> list[Path]:
    found = sorted(path for path in _existing(folder).iterdir() if path.is_dir())
    if not found:
        raise InputError(f"{folder} must have a folder for each generator or kind.")
    return found


def _files(folder: Path, names: Sequence[str]) -> list[tuple[str, str, Path]]:
    """Split, class and path of each image."""
    found = [
        (split, name, path)
        for split in SPLITS
        for name in names
        for path in sorted((folder / split / name).glob("*.*"))
    ]
    if not found:
        raise InputError(f"{folder} has no images in {{{','.join(SPLITS)}}}/{names}.")
    return found
