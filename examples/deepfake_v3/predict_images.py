"""Score images from the command line: files, folders, globs or a list of paths."""

import collections
import contextlib
import csv
import dataclasses
import glob
import io
import json
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import tyro
from tqdm import tqdm

from examples.deepfake_v3.detector import Detector, Prediction
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import list_files
from examples.deepfake_v3.loading.decoding import SECONDS
from examples.deepfake_v3.loading.images import EXTENSIONS
from examples.deepfake_v3.prediction.tiles import OVERLAP, save_heat_map
from examples.deepfake_v3.training.stage import check_range

UNREADABLE = 3
"""Exit code when files could not be read; 1 is an error, 2 a wrong command line."""

IMAGE_EXTENSIONS = frozenset().union(*EXTENSIONS.values())

Format = Literal["table", "jsonl", "csv"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Score images with a saved detector.

    The exit code is 0 if all images were scored, 3 if some files could not be read.
    """

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Files, folders (with their subfolders), globs in quotes, or - for a list of
    paths, one a line, on standard input."""
    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The model, a .keras file that train, fine-tune or calibrate has written."""
    expected_sha256: str | None = None
    """Hash of the model file, kept elsewhere; any other file is refused."""
    format: Format = "table"
    """A table to read, JSON lines or CSV."""
    output: str | None = None
    """File to write to, whole or not at all; left out: standard output."""
    tiles: bool = False
    """Look at all of each image, in tiles of the model's input size at native
    resolution, instead of at its centre."""
    overlap: float = OVERLAP
    """Share of a tile's side that its neighbour covers, at the least."""
    maps_dir: str | None = None
    """With tiles: directory for a heat map of each image."""
    batch_size: int | None = None
    """Crops a batch to start with; left out: estimated. Halved when memory is short."""
    decode_seconds: float = SECONDS
    """How long one file may be decoded."""
    engine: Literal["local", "ray"] = "local"
    """On this machine, or on Ray Data: sources may then also be bucket paths and
    Parquet lists with a column "file", and output is a directory of Parquet shards."""
    shard_files: int = 1000
    """Ray: files a shard. Finished shards are not scored again."""
    ray_workers: int = 2
    """Ray: workers, each with a model of its own."""
    ray_cpus: float = 1.0
    """Ray: cores that are kept for a worker."""
    ray_gpus: float = 0.0
    """Ray: GPUs that are kept for a worker; a fraction shares one."""
    ray_address: str | None = None
    """Ray: address of a cluster; left out, RAY_ADDRESS, or a cluster of this machine
    alone."""

    def __post_init__(self):
        if not self.sources:
            raise ValueError(
                "`sources` must name what to score: files, folders, globs or '-'. "
                "Received: sources=()"
            )
        check_range("overlap", self.overlap, 0, 0.9)
        if self.batch_size is not None:
            check_range("batch_size", self.batch_size, 1)
        check_range("shard_files", self.shard_files, 1)
        check_range("ray_workers", self.ray_workers, 1)
        check_range("ray_cpus", self.ray_cpus, 0.01)
        check_range("ray_gpus", self.ray_gpus, 0)
        if not self.decode_seconds > 0:
            raise ValueError(
                "`decode_seconds` must be positive. "
                f"Received: decode_seconds={self.decode_seconds}"
            )
        if self.maps_dir is not None and not self.tiles:
            raise ValueError(
                "`maps_dir` needs `tiles`, whose scores are in the maps. "
                f"Received: maps_dir={self.maps_dir!r}, tiles=False"
            )


def predict_images(config: PredictConfig) -> None:
    """The command: scores, writes, and ends with the exit code.

    Raises:
        FileNotFoundError: If there is no model, or nothing to score.
        OSError: If the output cannot be written.
        ValueError: If the model cannot be used.
        SystemExit: With code 3, if some files could not be read.
    """
    if config.engine == "ray":
        # Only here: Ray takes seconds to import, and is an extra.
        from examples.deepfake_v3.prediction.predict_on_ray import predict_on_ray

        unreadable, count = predict_on_ray(config)
    else:
        unreadable, count = _predict_here(config)
    if unreadable:
        _summarize(unreadable, count)
        sys.exit(UNREADABLE)


def _predict_here(config: PredictConfig) -> tuple[list[tuple[str, str]], int]:
    """Scores and writes; `(file, reason)` of unreadable ones, and the number of all."""
    detector = Detector.load(config.model_path, config.expected_sha256)
    files, ignored = find_files(config.sources)
    if ignored:
        counts = ", ".join(f"{n} {name or 'without'}" for name, n in ignored.items())
        print(
            f"Ignored in folders, by their extension: {counts}. A glob takes them.",
            file=sys.stderr,
        )
    unreadable = []
    with _open(config.output) as out:
        write = ROW_WRITERS[config.format](out, config.tiles)
        # disable=None: a bar on a terminal only, not in log files.
        bar = tqdm(total=len(files), unit="image", disable=None)
        with bar, contextlib.closing(_stream(detector, files, config)) as predictions:
            for number, prediction in enumerate(predictions):
                row = as_row(prediction)
                if config.maps_dir is not None and prediction.map is not None:
                    # Numbered, since names repeat in different folders.
                    name = f"{number:06}_{Path(str(prediction.file)).stem}.png"
                    row["map"] = str(Path(config.maps_dir) / name)
                    with replacing(row["map"]) as partial:
                        save_heat_map(prediction.map, partial)
                if prediction.error:
                    unreadable.append((str(prediction.file), prediction.error))
                write(row)
                bar.update()
    return unreadable, len(files)


def find_files(sources: Iterable[str]) -> tuple[list[str], dict[str, int]]:
    """The files that sources stand for, in their order.

    Of folders, files with the extension of an image are taken; hidden ones are not. A
    name that stands for nothing stays as it is, to be reported as unreadable.

    Returns:
        `(files, ignored)`: how many files of which extension folders hold besides.

    Raises:
        FileNotFoundError: If there is no file at all.
    """
    found: list[str] = []
    ignored: collections.Counter[str] = collections.Counter()
    for source in _expand(sources):
        if not Path(source).is_dir():
            found.append(source)
            continue
        for path in list_files(Path(source)):
            extension = path.suffix.lower()
            if extension in IMAGE_EXTENSIONS:
                found.append(str(path))
            else:
                ignored[extension] += 1
    if not found:
        raise FileNotFoundError(
            "There is nothing to score. Give files, folders with images "
            f"({', '.join(sorted(IMAGE_EXTENSIONS))}), or globs. Received: "
            f"sources={tuple(sources)}"
        )
    return found, dict(ignored)


def _expand(sources: Iterable[str]) -> Iterator[str]:
    for source in sources:
        if source == "-":
            # Names need not be valid UTF-8.
            listed = io.TextIOWrapper(
                sys.stdin.buffer, "utf-8", "surrogateescape", newline="\n"
            )
            yield from filter(None, (line.rstrip("\r\n") for line in listed))
            listed.detach()
        elif glob.has_magic(source) and not Path(source).exists():
            yield from sorted(glob.glob(source, recursive=True)) or [source]
        else:
            yield source


def _stream(
    detector: Detector, files: Iterable[str], config: PredictConfig
) -> Generator[Prediction]:
    return detector.stream(
        files,
        tiles=config.tiles,
        overlap=config.overlap,
        batch_size=config.batch_size,
        seconds=config.decode_seconds,
    )


def as_row(prediction: Prediction) -> dict[str, Any]:
    """What is written of a prediction, as JSON has it."""
    row: dict[str, Any] = {
        "file": prediction.file,
        "score": prediction.score,
        "verdict": prediction.verdict,
        "probability": prediction.probability,
        "error": prediction.error or None,
    }
    if prediction.grid is not None and prediction.map is not None:
        row["max_score"] = float(prediction.map.max())
        row["tiles"] = {
            "side": prediction.grid.side,
            "tops": prediction.grid.tops,
            "lefts": prediction.grid.lefts,
            "scores": prediction.map.tolist(),
        }
    return row


def _write_json_lines(out: TextIO, tiles: bool):
    return lambda row: print(json.dumps(row), file=out)


def _write_csv(out: TextIO, tiles: bool):
    columns = ["file", "score", "verdict", "probability", "error"]
    if tiles:
        columns.append("max_score")
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    return writer.writerow


def _write_table(out: TextIO, tiles: bool):
    widest = "     max" if tiles else ""
    print(f"verdict     probability   score{widest}  file", file=out)

    def write(row: dict[str, Any]) -> None:
        # One image, one line.
        name = str(row["file"]).encode("unicode_escape").decode()
        if row["error"]:
            print(f"unreadable{' ' * (21 + len(widest))}  {name}", file=out)
            return
        largest = f"{row['max_score']:8.4f}" if tiles else ""
        print(
            f"{row['verdict']:<10} {row['probability']:12.4f} {row['score']:7.4f}"
            f"{largest}  {name}",
            file=out,
        )

    return write


ROW_WRITERS = {
    "table": _write_table,
    "jsonl": _write_json_lines,
    "csv": _write_csv,
}


@contextlib.contextmanager
def _open(output: str | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears when all is written."""
    if output is None:
        # Names need not be valid UTF-8, nor fit the terminal.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout
        return
    with (
        replacing(output) as partial,
        partial.open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as out,
    ):
        yield out


def _summarize(unreadable: list[tuple[str, str]], count: int) -> None:
    reasons = collections.Counter(reason for _, reason in unreadable)
    print(
        f"{len(unreadable)} of {count} files could not be read, such as "
        f"{unreadable[0][0]!r}:",
        file=sys.stderr,
    )
    for reason, number in reasons.most_common(10):
        print(f"  {number}  {reason}", file=sys.stderr)
    if len(reasons) > 10:
        print(f"  and {len(reasons) - 10} other reasons", file=sys.stderr)
