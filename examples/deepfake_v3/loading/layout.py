"""Which folders of real and fake images a directory holds, whatever they are called."""

import dataclasses
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

# What others call the classes, in small letters and without a number in front.
CLASS_WORDS = {
    "real": {
        "real",
        "reals",
        "original",
        "originals",
        "authentic",
        "genuine",
        "nature",
    },
    "fake": {"fake", "fakes", "synthetic", "generated", "ai", "deepfake", "deepfakes"},
}
SPLIT_WORDS = frozenset(
    ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
)
DEPTH = 3  # folders below the directory that are looked through
MANY = 1000  # folders after which nobody looks further


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a directory holds.

    Attributes:
        root: The directory.
        classes: Folders of each class, below it.
        has_splits: Whether a folder is called like a split.
        others: Folders that stand beside those of the classes.
        top: Its own folders.
    """

    root: Path
    classes: dict[str, list[Path]]
    has_splits: bool
    others: list[Path]
    top: list[str]

    def describe(self) -> str:
        """What was found, and what makes it right, as sentences."""
        if not self.root.is_dir():
            return "There is no such directory."
        if not all(self.classes.values()):
            found = ", ".join(
                str(folder) for folders in self.classes.values() for folder in folders
            )
            return (
                f"It holds {_list(self.top) or 'no folder'}, and "
                f"{f'of the classes only {found}' if found else 'no folder of a class'}"
                ". Name the folders yourself: "
                + _command(["REAL_IMAGES"], ["FAKE_IMAGES"])
            )
        found = "; ".join(
            f"{name}: {_list([str(folder) for folder in folders])}"
            for name, folders in self.classes.items()
        )
        real, fake = (
            [str(self.root / folder) for folder in folders]
            for folders in self.classes.values()
        )
        beside = Path(os.path.abspath(self.root))
        if self.root.name not in ("", ".."):
            beside = self.root
        output = str(beside.with_name(f"{beside.name}_prepared"))
        said = f"Found are {found}. This makes clean splits of them: "
        said += _command(real, fake, output)
        if self.has_splits:
            said += " (To keep the splits that are there, rename the folders instead.)"
        if self.others:
            said += f" Not of a class: {_list([str(o) for o in self.others])}."
        return said


def find_layout(root: str | Path) -> Layout:
    """Looks through the folders of a directory."""
    root = Path(root)
    classes: dict[str, list[Path]] = {name: [] for name in CLASS_WORDS}
    has_splits = False
    others: list[Path] = []
    folders, seen = [root], 0
    while folders and seen < MANY:
        folder = folders.pop(0)
        seen += 1
        inside = subfolders(folder)
        labelled = {name: class_of(name) for name in inside}
        for name, label in labelled.items():
            place = (folder / name).relative_to(root)
            if label is not None:
                classes[label].append(place)
            elif len(place.parts) < DEPTH:
                folders.append(folder / name)
            if name.strip().lower() in SPLIT_WORDS:
                has_splits = True
            elif label is None and any(labelled.values()):
                others.append(place)
    return Layout(root, classes, has_splits, others, subfolders(root))


def extra_folders(split_folder: Path) -> list[Path]:
    """Folders of a split that are none of a class, so that nobody reads them."""
    return [
        split_folder / name
        for name in subfolders(split_folder)
        if name not in CLASS_WORDS
    ]


def subfolders(folder: Path) -> list[str]:
    """The names of the folders in a folder, but for hidden ones, in order."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_dir() and not entry.name.startswith(".")
            )
    except OSError:
        return []


def class_of(name: str) -> str | None:
    """The class that a folder's name stands for, such as `1_fake` or `REAL`."""
    word = re.sub(r"^\d+[\W_]+", "", name.strip().lower())
    word = re.sub(r"[\W_]*(images?|photos?|faces?|pictures?)$", "", word)
    return next((c for c, words in CLASS_WORDS.items() if word in words), None)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _command(
    real: Sequence[str], fake: Sequence[str], output: str = "data/processed"
) -> str:
    words = ["python", "-m", "examples.deepfake_v3", "prepare"]
    words += ["--real", *real, "--fake", *fake, "--output-dir", output]
    return shlex.join(words)
