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
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from examples.deepfake_v3.auditing.duplicates import check_distance
from examples.deepfake_v3.errors import InputError, StorageError, TakenError
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading import groups as grouping
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS, list_files
from examples.deepfake_v3.loading.images import THREADS, read_image
from examples.deepfake_v3.options.prepare import PrepareConfig
from examples.deepfake_v3.preparing.plan import Planned, make_plan
from examples.deepfake_v3.preparing.sources import (
    SourceFile,
    find_groups,
    inspect_all,
    list_sources,
)

CONFIGURATION = "prepare.json"
MANIFEST = "manifest.csv"
LEFT_OUT = "quarantine.csv"
INSPECTED = ".inspected.jsonl"

SPARE = 2**20  # bytes to leave free beside the images, for the lists


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
    files = list_sources(config, output)
    groups = find_groups(config, files)
    _claim(output, _describe_job(config, files, groups))
    if (output / MANIFEST).is_file():
        rows = _read_rows(output / MANIFEST)
        if all((output / row["file"]).is_file() for row in rows):
            print(f"{output} is finished; nothing is left to do.")
            return _summarise(rows, _read_rows(output / LEFT_OUT), output)

    sources = inspect_all(files, output / INSPECTED)
    plan, left_out = make_plan(sources, groups, config)
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


def _check_options(config: PrepareConfig) -> None:
    check_distance(config.near_duplicate_distance)
    if not config.real or not config.fake:
        raise InputError(
            "`real` and `fake` must each name a folder. "
            f"Received: real={config.real}, fake={config.fake}"
        )
    if len(config.split) != len(SPLITS) or not (
        min(config.split) > 0 and abs(sum(config.split) - 1) < 1e-6
    ):
        raise InputError(
            f"`split` must be the shares of {', '.join(SPLITS)}: above 0, and 1 in "
            f"all. Received: split={config.split}"
        )
    if config.near_duplicates not in ("together", "one"):
        raise InputError(
            '`near_duplicates` must be "together" or "one". '
            f"Received: near_duplicates={config.near_duplicates!r}"
        )
    if config.jpeg_quality is not None and not 1 <= config.jpeg_quality <= 100:
        raise InputError(
            "`jpeg_quality` must be 1 to 100, or None to copy. "
            f"Received: jpeg_quality={config.jpeg_quality}"
        )
    if config.groups and config.group_pattern is not None:
        raise InputError(
            "Give `groups` or `group_pattern`, not both. Received: "
            f"groups={config.groups}, group_pattern={config.group_pattern!r}"
        )


def _describe_job(
    config: PrepareConfig, files: Sequence[SourceFile], groups: Mapping[str, str]
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
                raise TakenError(
                    "`output_dir` holds the result of another job; they differ in "
                    f"{', '.join(differing)}. Give a new directory, or delete this "
                    f"one. Received: output_dir={str(output)!r}"
                )
        elif any(not each.name.startswith(".partial-") for each in output.iterdir()):
            raise TakenError(
                f"`output_dir` must be new or empty. Received: "
                f"output_dir={str(output)!r}"
            )
        with replacing(path) as partial:
            partial.write_text(json.dumps(job, indent=1) + "\n", "utf-8")
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(
            f"`output_dir` can't be written: {error}. "
            f"Received: output_dir={str(output)!r}"
        ) from error


def _refuse_strangers(output: Path, plan: Mapping[str, Planned]) -> None:
    strangers = [
        str(path)
        for split in SPLITS
        if (output / split).is_dir()
        for path in list_files(output / split)
        if path.relative_to(output).as_posix() not in plan
    ]
    if strangers:
        raise TakenError(
            f"`output_dir` holds {len(strangers)} files that are not of this job, such "
            f"as {strangers[0]}: a source may have changed. Give a new directory, or "
            f"delete this one. Received: output_dir={str(output)!r}"
        )


def _check_space(
    output: Path, plan: Mapping[str, Planned], jpeg_quality: int | None
) -> None:
    # A JPEG of quality 95 seldom takes more than a byte a pixel.
    needed = SPARE + sum(
        image.source.pixels if jpeg_quality else image.source.bytes
        for file, image in plan.items()
        if not (output / file).exists()
    )
    free = shutil.disk_usage(output).free
    if needed > free:
        raise StorageError(
            f"`output_dir` has {free / 1e9:.2f} GB free and needs {needed / 1e9:.2f} "
            "GB. Nothing is lost: free some space and run the same command again. "
            f"Received: output_dir={str(output)!r}"
        )


def _write_image(image: Planned, path: Path, jpeg_quality: int | None) -> None:
    if path.exists():
        return  # it was whole when it got its name
    content = image.source.file.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != image.source.sha256:
        raise InputError(
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
