"""What is measured on each file of a data set, by itself."""

import dataclasses
from pathlib import Path

from examples.deepfake_v3.auditing.content_statistics import measure_content
from examples.deepfake_v3.auditing.duplicates import perceptual_hash
from examples.deepfake_v3.auditing.file_facts import Fact, read_file_facts
from examples.deepfake_v3.loading.data import CLASS_NAMES
from examples.deepfake_v3.loading.images import (
    UnusableImageError,
    check_image,
    open_image,
    read_image,
)
from examples.deepfake_v3.loading.provenance import Mark, read_marks


@dataclasses.dataclass(frozen=True)
class AuditedImage:
    """A file that can be used, and what was measured on it."""

    path: Path
    split: str
    label: int
    digest: str
    hash: int | None
    facts: dict[str, Fact]
    marks: tuple[Mark, ...]
    content: dict[str, float]

    @property
    def place(self) -> str:
        """Its folder, such as train/real."""
        return f"{self.split}/{CLASS_NAMES[self.label]}"


def inspect(file: tuple[Path, str, int]) -> AuditedImage | str:
    """What is measured on one file, or why it cannot be used."""
    path, split, label = file
    digest, reason = check_image(path)
    if reason:
        return reason
    try:
        pixels = read_image(path)
        facts = read_file_facts(path)
        with path.open("rb") as stream, open_image(stream) as image:
            marks = read_marks(image, stream)
    except (OSError, UnusableImageError) as error:  # it may be gone meanwhile
        return f"not readable: {error}"
    return AuditedImage(
        path,
        split,
        label,
        digest,
        perceptual_hash(pixels),
        facts,
        marks,
        measure_content(pixels),
    )


def relative(path: Path, root: Path) -> str:
    """The file below the data set's directory, with forward slashes."""
    return path.relative_to(root).as_posix()
