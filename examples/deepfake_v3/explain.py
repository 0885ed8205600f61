"""Explains a detector's verdicts: one picture an image."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from examples.deepfake_v3.data import list_files
from examples.deepfake_v3.detector import Detector
from examples.deepfake_v3.explanation_figure import save_explanation
from examples.deepfake_v3.files import check_writable
from examples.deepfake_v3.images import UnusableImageError


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Draw what the verdict on an image depends on, one picture an image."""

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Images, or folders of them."""
    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The trained model, a .keras file."""
    output_dir: str = "explanations"
    """Where the pictures are written, as NAME.png for each image."""


def explain_images(config: ExplainConfig | None = None, **overrides) -> list[Path]:
    """Draws a picture for each image.

    Args:
        config: The options.
        **overrides: Fields of `ExplainConfig` by name.

    Returns:
        The pictures, in the order of the images; there is none for an image that
        cannot be read, which is printed.

    Raises:
        FileNotFoundError: If there is no model, or no file or folder where one is
            named.
        OSError: If a picture cannot be written.
        ValueError: If the model carries no metadata or cannot be explained, or none of
            the images can be read.
        TypeError: If an override is no field of `ExplainConfig`.
    """
    config = (
        dataclasses.replace(config, **overrides)
        if config
        else ExplainConfig(**overrides)
    )
    files = list(_find(config.inputs))
    detector = Detector.load(config.model_path)
    output_dir = Path(config.output_dir)
    check_writable(output_dir)
    pictures: list[Path] = []
    for file in tqdm(files, "explaining", unit="image", disable=None):
        try:
            explanation = detector.explain(file)
        except UnusableImageError as error:
            tqdm.write(f"{file}: {error}")
            continue
        pictures.append(_free_name(output_dir, file, pictures))
        save_explanation(explanation, pictures[-1])
    if not pictures:
        raise ValueError(
            "`inputs` must name at least one image that can be read. Received: "
            f"inputs={config.inputs}"
        )
    print(f"Saved {len(pictures)} of {len(files)} pictures in {output_dir}.")
    return pictures


def _find(inputs: Iterable[str]) -> Iterator[Path]:
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            yield from list_files(path)
        elif path.exists():
            yield path
        else:
            raise FileNotFoundError(
                f"`inputs` must be files or folders. Received: {name!r}, which does "
                "not exist"
            )


def _free_name(directory: Path, image: Path, taken: list[Path]) -> Path:
    """NAME.png, or NAME_2.png and so on where images have the same name."""
    path, number = directory / f"{image.stem}.png", 1
    while path in taken:
        number += 1
        path = directory / f"{image.stem}_{number}.png"
    return path
