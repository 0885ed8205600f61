"""Clean `train/val/test` splits from folders of real and fake images.

What may not be separated goes to one split: a group (video, person), and images that
look alike. The result depends on the files, the options and the seed, and not on the
order in which a file system or the command line names them.
"""

import csv
import dataclasses
import hashlib
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from examples.deepfake_v3.auditing import groups as grouping
from examples.deepfake_v3.auditing.duplicates import (
    MAX_DISTANCE,
    check_distance,
    connected,
    exact_duplicates,
    members,
    near_duplicates,
    perceptual_hash,
)
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS, list_files
from examples.deepfake_v3.loading.images import (
    THREADS,
    UnusableImageError,
    check_image,
    read_image,
)
from examples.deepfake_v3.saving.files import replacing

CONFIGURATION = "prepare.json"
MANIFEST = "manifest.csv"
LEFT_OUT = "quarantine.csv"
INSPECTED = ".inspected.jsonl"

SUFFIXES = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
}
SPARE = 2**20  # bytes to leave free beside the images, for the lists


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Make clean train/val/test splits from folders of real and fake images."""

    real: tuple[str, ...] = ()
    """Folders of real images, with their subfolders; one or more of each data set."""
    fake: tuple[str, ...] = ()
    """Folders of fake images."""
    output_dir: str = "data/processed"
    """Where {train,val,test}/{real,fake}, manifest.csv, groups.csv and quarantine.csv
    are written: a new directory, or one that the same command left unfinished."""
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, val and test, of every folder."""
    groups: tuple[str, ...] = ()
    """CSV files with the columns file (below the CSV file's folder) and group."""
    group_pattern: str | None = None
    """Regular expression whose brackets catch the group in a file's path below the
    folder that all given folders share."""
    near_duplicates: Literal["together", "one"] = "together"
    """Keep near duplicates together in one split, or keep one of each class."""
    near_duplicate_distance: int = MAX_DISTANCE
    """Bits of the 64-bit perceptual hash that may differ between near duplicates."""
    balance: bool = False
    """Leave out images of the larger class, at random, in each split."""
    jpeg_quality: int | None = None
    """Write every image as JPEG of this quality (4:2:0, no metadata); copies byte for
    byte without it."""
    seed: int = 0
    """Seed of the splits and of the balance."""


@dataclasses.dataclass(frozen=True, order=True)
class _File:
    """A file of a source folder."""

    name: str  # below the folder that all source folders share, with forward slashes
    path: Path
    folder: str
    label: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Source:
    """A file and what was found in it."""

    file: _File
    reason: str = ""  # why it cannot be used
    sha256: str = ""  # of the file
    digest: str = ""  # of the pixels
    hash: int | None = None
    format: str = ""
    bytes: int = 0
    pixels: int = 0

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def label(self) -> int:
        return self.file.label


def prepare_data_dir(
    config: PrepareConfig | None = None, **overrides: Any
) -> dict[str, Any]:
    """Makes clean splits. Sources are only read.

    After an interruption the same call goes on, and ends with the same files.

    Args:
        config: The options; None for the defaults.
        **overrides: Single options that replace those of `config`.

    Returns:
        "counts" of images by split and class, "left_out", how many files are not in
        the result, and "output_dir".

    Raises:
        TypeError: If an override is not a field of `PrepareConfig`.
        FileNotFoundError: If a folder or a manifest is missing.
        FileExistsError: If `output_dir` holds anything but this very job.
        OSError: If there is too little space, or the directory can't be written.
        ValueError: If an option is out of range, or a class has too few images, or
            too few that may be separated, for a split.
    """
    config = dataclasses.replace(config or PrepareConfig(), **overrides)
    _check_options(config)
    output = Path(config.output_dir)
    files = _list_sources(config, output)
    groups = _find_groups(config, files)
    _claim(output, _describe_job(config, files, groups))
    if (output / MANIFEST).is_file():
        rows = _read_rows(output / MANIFEST)
        if all((output / row["file"]).is_file() for row in rows):
            print(f"{output} is finished; nothing is left to do.")
            return _summarise(rows, _read_rows(output / LEFT_OUT), output)

    sources = _inspect_all(files, output / INSPECTED)
    plan, left_out = _plan(sources, groups, config)
    _refuse_strangers(output, plan)
    _check_space(output, plan, config.jpeg_quality)
    with ThreadPoolExecutor(THREADS) as pool:
        written = pool.map(
            lambda item: _write_image(item[1], output / item[0], config.jpeg_quality),
            plan.items(),
        )
        for _ in tqdm(written, "writing images", len(plan), unit="file", disable=None):
            pass

    rows = [
        {
            "file": file,
            "source": image.source.name,
            "sha256": image.source.sha256,
            "group": image.group,
            "split": image.split,
            "class": CLASS_NAMES[image.source.label],
        }
        for file, image in sorted(plan.items())
    ]
    left_out_rows = [
        {"file": name, "reason": reason} for name, reason in sorted(left_out.items())
    ]
    _write_rows(output / grouping.FILE_NAME, ("file", "group"), rows)
    _write_rows(output / LEFT_OUT, ("file", "reason"), left_out_rows)
    # The manifest is last: with it, the job is finished.
    _write_rows(output / MANIFEST, tuple(rows[0]), rows)
    (output / INSPECTED).unlink()
    summary = _summarise(rows, left_out_rows, output)
    _print_summary(summary, config, bool(groups))
    return summary


@dataclasses.dataclass(frozen=True)
class _Planned:
    """An image that goes into the result."""

    source: _Source
    split: str
    group: str


def _check_options(config: PrepareConfig) -> None:
    check_distance(config.near_duplicate_distance)
    if not config.real or not config.fake:
        raise ValueError(
            "`real` and `fake` must each name a folder. "
            f"Received: real={config.real}, fake={config.fake}"
        )
    if len(config.split) != len(SPLITS) or not (
        min(config.split) > 0 and abs(sum(config.split) - 1) < 1e-6
    ):
        raise ValueError(
            f"`split` must be the shares of {', '.join(SPLITS)}: above 0, and 1 in "
            f"all. Received: split={config.split}"
        )
    if config.near_duplicates not in ("together", "one"):
        raise ValueError(
            '`near_duplicates` must be "together" or "one". '
            f"Received: near_duplicates={config.near_duplicates!r}"
        )
    if config.jpeg_quality is not None and not 1 <= config.jpeg_quality <= 100:
        raise ValueError(
            "`jpeg_quality` must be 1 to 100, or None to copy. "
            f"Received: jpeg_quality={config.jpeg_quality}"
        )
    if config.groups and config.group_pattern is not None:
        raise ValueError(
            "Give `groups` or `group_pattern`, not both. Received: "
            f"groups={config.groups}, group_pattern={config.group_pattern!r}"
        )


def _list_sources(config: PrepareConfig, output: Path) -> list[_File]:
    """The files of all source folders, in the order of their names."""
    folders = [
        (Path(os.path.abspath(folder)), label)
        for label, given in enumerate((config.real, config.fake))
        for folder in given
    ]
    for folder, _ in folders:
        if not folder.is_dir():
            raise FileNotFoundError(
                "`real` and `fake` must be folders. "
                f"Received: {str(folder)!r}, which is none"
            )
    places = [folder.resolve() for folder, _ in folders]
    for place, other in combinations([*places, output.resolve()], 2):
        if place.is_relative_to(other) or other.is_relative_to(place):
            raise ValueError(
                "`real`, `fake` and `output_dir` must be folders none of which holds "
                f"another. Received: {str(place)!r} and {str(other)!r}"
            )
    root = Path(os.path.commonpath([folder for folder, _ in folders]))
    return sorted(
        _File(path.relative_to(root).as_posix(), path, folder.as_posix(), label)
        for folder, label in folders
        for path in list_files(folder)
    )


def _find_groups(config: PrepareConfig, files: Sequence[_File]) -> dict[str, str]:
    """`{name of a file: group}`."""
    if config.group_pattern is not None:
        names = [file.name for file in files]
        found = grouping.match_groups(names, config.group_pattern)
        return {n: group for n, group in zip(names, found, strict=True) if group}
    names_by_path = {file.path: file.name for file in files}
    groups: dict[str, str] = {}
    for manifest in config.groups:
        folder = Path(os.path.abspath(manifest)).parent
        named = {
            names_by_path[folder / file]: group
            for file, group in grouping.read_groups(manifest).items()
            if folder / file in names_by_path
        }
        if not named:
            raise ValueError(
                "`groups` must name files of the source folders, from the folder that "
                f"it is in. Received: groups={manifest!r}, which names none"
            )
        groups |= named
    return groups


def _describe_job(
    config: PrepareConfig, files: Sequence[_File], groups: Mapping[str, str]
) -> dict[str, Any]:
    """What must be the same for a job to go on."""
    options = dataclasses.asdict(config)
    del options["output_dir"]
    sizes = [(file.name, file.label, _size(file.path)) for file in files]
    return {
        "version": 1,  # raise when the same options give another result
        **options,
        "source_files": _hash(sizes),
        "source_groups": _hash(sorted(groups.items())),
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a broken link
        return -1


def _hash(what: Any) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _claim(output: Path, job: dict[str, Any]) -> None:
    """Takes an empty directory for a job, or one that has begun with this very job."""
    job = json.loads(json.dumps(job))
    path = output / CONFIGURATION
    try:
        output.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            found = json.loads(path.read_text("utf-8"))
            differing = sorted(
                key for key in job.keys() | found if job.get(key) != found.get(key)
            )
            if differing:
                raise FileExistsError(
                    "`output_dir` holds the result of another job; they differ in "
                    f"{', '.join(differing)}. Give a new directory, or delete this "
                    f"one. Received: output_dir={str(output)!r}"
                )
        elif any(not each.name.startswith(".partial-") for each in output.iterdir()):
            raise FileExistsError(
                f"`output_dir` must be new or empty. Received: "
                f"output_dir={str(output)!r}"
            )
        with replacing(path) as partial:
            partial.write_text(json.dumps(job, indent=1) + "\n", "utf-8")
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(
            f"`output_dir` can't be written: {error}. "
            f"Received: output_dir={str(output)!r}"
        ) from error


def _inspect_all(files: Sequence[_File], record: Path) -> list[_Source]:
    """What is in each file. What the record has already is not read again."""
    lines: list[bytes] = []
    if record.is_file():
        lines = record.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # interrupted while it was written
            lines.pop()
    known = [json.loads(line) for line in lines]
    with record.open("wb") as stream, ThreadPoolExecutor(THREADS) as pool:
        stream.writelines(lines)
        stream.flush()
        new = pool.map(_inspect, [file.path for file in files[len(known) :]])
        found = tqdm(
            chain(known, new), "reading images", len(files), unit="file", disable=None
        )
        sources = []
        for index, (file, values) in enumerate(zip(files, found, strict=True)):
            if index >= len(known):
                stream.write(json.dumps(values).encode() + b"\n")
                stream.flush()  # at once, for nobody says when a run is killed
            sources.append(_Source(file=file, **values))
    return sources


def _inspect(path: Path) -> dict[str, Any]:
    """The fields of `_Source` that come from the file."""
    digest, reason = check_image(path)
    if reason:
        return {"reason": reason}
    try:
        content = path.read_bytes()
        pixels = read_image(io.BytesIO(content))
        with Image.open(io.BytesIO(content)) as image:
            kind = image.format
    except (OSError, UnusableImageError) as error:  # it may be gone meanwhile
        return {"reason": f"not readable: {error}"}
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "digest": digest,
        "hash": perceptual_hash(pixels),
        "format": kind,
        "bytes": len(content),
        "pixels": pixels.shape[0] * pixels.shape[1],
    }


def _plan(
    sources: Sequence[_Source], groups: Mapping[str, str], config: PrepareConfig
) -> tuple[dict[str, _Planned], dict[str, str]]:
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
        for alike in members(connected(len(usable), near)):
            first_of: dict[int, _Source] = {}
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
            raise ValueError(
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
        plan[file] = _Planned(source, split, names[units[i]])
    planned = {image.source.name for image in plan.values()}
    for source in images:
        if source.name not in planned:
            left_out[source.name] = "left out to balance the classes"
    return plan, left_out


def _assign_splits(
    images: Sequence[_Source], units: np.ndarray, config: PrepareConfig
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
            raise ValueError(
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
    images: Sequence[_Source], units: np.ndarray, groups: Mapping[str, str]
) -> dict[int, str]:
    """A name for each unit: its first group, or else its first image."""
    candidates: dict[int, list[tuple[bool, str]]] = {}
    for image, unit in zip(images, units, strict=True):
        group = groups.get(image.name)
        candidates.setdefault(unit, []).append(
            (group is None, group or f"image {image.sha256[:16]}")
        )
    return {unit: min(names)[1] for unit, names in candidates.items()}


def _balanced(
    images: Sequence[_Source], splits: np.ndarray, seed: int
) -> Iterator[int]:
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


def _refuse_strangers(output: Path, plan: Mapping[str, _Planned]) -> None:
    strangers = [
        str(path)
        for split in SPLITS
        if (output / split).is_dir()
        for path in list_files(output / split)
        if path.relative_to(output).as_posix() not in plan
    ]
    if strangers:
        raise FileExistsError(
            f"`output_dir` holds {len(strangers)} files that are not of this job, such "
            f"as {strangers[0]}: a source may have changed. Give a new directory, or "
            f"delete this one. Received: output_dir={str(output)!r}"
        )


def _check_space(
    output: Path, plan: Mapping[str, _Planned], jpeg_quality: int | None
) -> None:
    # A JPEG of quality 95 seldom takes more than a byte a pixel.
    needed = SPARE + sum(
        image.source.pixels if jpeg_quality else image.source.bytes
        for file, image in plan.items()
        if not (output / file).exists()
    )
    free = shutil.disk_usage(output).free
    if needed > free:
        raise OSError(
            f"`output_dir` has {free / 1e9:.2f} GB free and needs {needed / 1e9:.2f} "
            "GB. Nothing is lost: free some space and run the same command again. "
            f"Received: output_dir={str(output)!r}"
        )


def _write_image(image: _Planned, path: Path, jpeg_quality: int | None) -> None:
    if path.exists():
        return  # it was whole when it got its name
    content = image.source.file.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != image.source.sha256:
        raise ValueError(
            f"{image.source.file.path} changed while it was used. Leave the sources "
            "alone and start again in a new `output_dir`."
        )
    with replacing(path) as partial:
        if jpeg_quality is None:
            partial.write_bytes(content)
        else:
            Image.fromarray(read_image(io.BytesIO(content))).save(
                partial, "JPEG", quality=jpeg_quality, subsampling="4:2:0"
            )


def _write_rows(
    path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> None:
    with (
        replacing(path) as partial,
        partial.open(
            "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def _summarise(
    rows: Sequence[Mapping[str, str]],
    left_out: Sequence[Mapping[str, str]],
    output: Path,
) -> dict[str, Any]:
    counted = Counter((row["split"], row["class"]) for row in rows)
    return {
        "output_dir": str(output),
        "counts": {
            split: {name: counted[split, name] for name in CLASS_NAMES}
            for split in SPLITS
        },
        "left_out": len(left_out),
    }


def _print_summary(
    summary: Mapping[str, Any], config: PrepareConfig, grouped: bool
) -> None:
    for split, counts in summary["counts"].items():
        print(f"{split}: {counts['real']} real, {counts['fake']} fake")
    print(f"{summary['left_out']} files are left out, see {LEFT_OUT}.")
    for name in CLASS_NAMES:
        found = np.array([summary["counts"][split][name] for split in SPLITS])
        if np.abs(found / found.sum() / config.split - 1).max() > 0.5:
            print(
                f"note: the shares of {name} images are far from {config.split}: "
                "groups and near duplicates are not separated."
            )
    if not grouped:
        print(
            "note: no groups are given, so images of one video or person may be on "
            "both sides. Give `groups` or `group_pattern` if you know them."
        )
    print(f"Everything is in {summary['output_dir']}.")
