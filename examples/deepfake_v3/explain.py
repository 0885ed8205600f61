"""The command: what verdicts depend on, one picture an image."""

import sys
from pathlib import Path

from tqdm import tqdm

from examples.deepfake_v3.detector import Detector
from examples.deepfake_v3.explanation.figure import save_explanation
from examples.deepfake_v3.files.files import check_writable
from examples.deepfake_v3.loading.images import UnusableImageError
from examples.deepfake_v3.options.explain import ExplainConfig
from examples.deepfake_v3.prediction.sources import UNREADABLE, find_files, is_failure


def explain_images(config: ExplainConfig) -> None:
    """Draws a picture of each image, and ends with the exit code.

    Raises:
        FileNotFoundError: If there is no model, or nothing to explain.
        OSError: If a picture cannot be written.
        ValueError: If the model cannot be used, or is not made of two streams.
        SystemExit: With code 3, if some files could not be read.
    """
    detector = Detector.load(config.model_path, config.expected_sha256)
    for sentence in detector.metadata.weaknesses():
        print(f"WARNING: {sentence}", file=sys.stderr)
    found = find_files(config.sources)
    for note in found.notes():
        print(note, file=sys.stderr)
    output_dir = Path(config.output_dir)
    check_writable(output_dir)
    taken: set[Path] = set()
    failed = False
    # disable=None: a bar on a terminal only, not in log files.
    for file in tqdm(found.files, "explaining", unit="image", disable=None):
        try:
            explanation = detector.explain(file)
        except UnusableImageError as error:
            tqdm.write(f"{file}: {error}", file=sys.stderr)
            failed = failed or is_failure(file, str(error))
            continue
        picture = _free_name(output_dir, Path(file).stem, taken)
        taken.add(picture)
        save_explanation(explanation, picture)
    print(f"Saved {len(taken)} pictures of {len(found.files)} images in {output_dir}.")
    if failed or not taken:
        sys.exit(UNREADABLE)


def _free_name(directory: Path, name: str, taken: set[Path]) -> Path:
    """NAME.png, or NAME_2.png and so on: names repeat in different folders."""
    path, number = directory / f"{name}.png", 1
    while path in taken:
        number += 1
        path = directory / f"{name}_{number}.png"
    return path
