"""The command: what verdicts depend on, one picture an image."""

import dataclasses
import sys
from pathlib import Path

import tyro
from tqdm import tqdm

from examples.deepfake_v3.detector import Detector
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.explanation.figure import save_explanation
from examples.deepfake_v3.files.files import check_writable
from examples.deepfake_v3.loading.images import UnusableImageError
from examples.deepfake_v3.prediction.sources import UNREADABLE, find_files


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Draw what the verdict on an image depends on, one picture an image.

    The exit code is 0 if there is a picture of each, 3 if some files could not be read.
    """

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Files, folders (with their subfolders), globs in quotes, or - for a list of
    paths, one a line, on standard input."""
    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The model, a .keras file that train, fine-tune or calibrate has written."""
    expected_sha256: str | None = None
    """Hash of the model file, kept elsewhere; any other file is refused."""
    output_dir: str = "explanations"
    """Where the pictures are written, NAME.png for each image."""

    def __post_init__(self):
        if not self.sources:
            raise InputError(
                "`sources` must name what to explain: files, folders, globs or '-'. "
                "Received: sources=()"
            )


def explain_images(config: ExplainConfig) -> None:
    """Draws a picture of each image, and ends with the exit code.

    Raises:
        FileNotFoundError: If there is no model, or nothing to explain.
        OSError: If a picture cannot be written.
        ValueError: If the model cannot be used, or is not made of two streams.
        SystemExit: With code 3, if some files could not be read.
    """
    detector = Detector.load(config.model_path, config.expected_sha256)
    files, _ = find_files(config.sources)
    output_dir = Path(config.output_dir)
    check_writable(output_dir)
    taken: set[Path] = set()
    # disable=None: a bar on a terminal only, not in log files.
    for file in tqdm(files, "explaining", unit="image", disable=None):
        try:
            explanation = detector.explain(file)
        except UnusableImageError as error:
            tqdm.write(f"{file}: {error}", file=sys.stderr)
            continue
        picture = _free_name(output_dir, Path(file).stem, taken)
        taken.add(picture)
        save_explanation(explanation, picture)
    print(f"Saved {len(taken)} pictures of {len(files)} images in {output_dir}.")
    if len(taken) < len(files):
        sys.exit(UNREADABLE)


def _free_name(directory: Path, name: str, taken: set[Path]) -> Path:
    """NAME.png, or NAME_2.png and so on: names repeat in different folders."""
    path, number = directory / f"{name}.png", 1
    while path in taken:
        number += 1
        path = directory / f"{name}_{number}.png"
    return path
