"""Score images from the command line: files, folders, globs or a list of paths."""

import collections
import contextlib
import csv
import dataclasses
import io
import json
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from examples.deepfake_v3.detector import Detector
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.options.predict import PredictConfig
from examples.deepfake_v3.prediction.prediction import Prediction, as_row
from examples.deepfake_v3.prediction.sources import UNREADABLE, find_files, is_failure
from examples.deepfake_v3.prediction.tiles import save_heat_map
from examples.deepfake_v3.runtimes.runtimes import exported_form


def predict_images(config: PredictConfig) -> None:
    """The command: scores, writes, and ends with the exit code.

    Raises:
        FileNotFoundError: If there is no model, or nothing to score.
        OSError: If the output cannot be written.
        ValueError: If the model cannot be used.
        SystemExit: With code 3, if some files could not be read.
    """
    path = exported_form(config.model_path, config.runtime)
    config = dataclasses.replace(config, model_path=str(path))
    if config.engine == "ray":
        # Only here: Ray takes seconds to import, and is an extra.
        from examples.deepfake_v3.prediction.predict_on_ray import predict_on_ray

        unreadable, count = predict_on_ray(config, Detector.load)
    else:
        unreadable, count = _predict_here(config)
    failed = [each for each in unreadable if is_failure(*each)]
    if others := len(unreadable) - len(failed):
        print(f"{others} of {count} files are no images.", file=sys.stderr)
    if failed:
        _summarize(failed, count)
    elif others == count:
        print(
            "Nothing was scored. A list of paths is read from standard input: "
            "predict - < LIST",
            file=sys.stderr,
        )
    if failed or others == count:
        sys.exit(UNREADABLE)


def _predict_here(config: PredictConfig) -> tuple[list[tuple[str, str]], int]:
    """Scores and writes; `(file, reason)` of unreadable ones, and the number of all."""
    detector = Detector.load(config.model_path, config.expected_sha256)
    for sentence in detector.metadata.weaknesses():
        print(f"WARNING: {sentence}", file=sys.stderr)
    found = find_files(config.sources)
    for note in found.notes():
        print(note, file=sys.stderr)
    unreadable = []
    with _open(config.output) as out:
        write = ROW_WRITERS[config.format](out, config.tiles)
        # disable=None: a bar on a terminal only, not in log files.
        bar = tqdm(total=len(found.files), unit="image", disable=None)
        with (
            bar,
            contextlib.closing(_stream(detector, found.files, config)) as predictions,
        ):
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
    return unreadable, len(found.files)


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


def _write_json_lines(out: TextIO, tiles: bool):
    return lambda row: print(json.dumps(row), file=out)


def _write_csv(out: TextIO, tiles: bool):
    columns = [
        "file",
        "score",
        "threshold",
        "verdict",
        "why",
        "probability",
        "width",
        "height",
        "seen",
        "enlarged",
        "warnings",
        "marks",
        "error",
    ]
    if tiles:
        columns.append("max_score")
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()

    def write(row: dict[str, Any]) -> None:
        lists = {name: "; ".join(row[name]) for name in ("warnings", "marks")}
        writer.writerow(row | lists)

    return write


def _on_one_line(text: str) -> str:
    """Letters of any script as they are, and as escapes what a terminal acts on."""
    return "".join(
        letter
        if letter.isprintable()
        else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )


def _write_table(out: TextIO, tiles: bool):
    widest = "     max" if tiles else ""
    print(
        f"verdict     probability   score{widest}  {'why':<26}  {'size':<11}    seen  "
        "file",
        file=out,
    )

    def write(row: dict[str, Any]) -> None:
        # One image, one line.
        name = _on_one_line(str(row["file"]))
        if row["error"]:
            reason = _on_one_line(row["error"])
            print(f"unreadable{' ' * (70 + len(widest))}  {name}  [{reason}]", file=out)
            return
        said = "; ".join([*row["warnings"], *row["marks"]])
        said = f"  [{_on_one_line(said)}]" if said else ""
        size = f"{row['width']}x{row['height']}"
        largest = f"{row['max_score']:8.4f}" if tiles else ""
        print(
            f"{row['verdict']:<10} {row['probability']:12.4f} {row['score']:7.4f}"
            f"{largest}  {row['why']:<26}  {size:<11}  {row['seen']:6.1%}"
            f"  {name}{said}",
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
