"""What a saved detector carries beside its weights: all that prediction needs.

It is one JSON member of the `.keras` file, which is a zip archive. Keras does not look
at it, and where the file goes, it goes.

The hashes in it find a damaged file and a careless edit, of the weights as of the
threshold. They are no signature: who changes the file on purpose can write new hashes,
too. Against that, keep the hash of the whole file elsewhere, and let `check_sha256`
compare it.
"""

import dataclasses
import hashlib
import json
import math
import shutil
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from examples.deepfake_v3.checks import Criterion, check_criterion
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import CLASS_NAMES, ImageList
from examples.deepfake_v3.model_files.evidence import Evidence

MEMBER = "detector.json"
FORMAT = 1  # of the member, raised when older code would read it wrongly

VALUE_RANGE = (0, 255)
"""Grey levels of the pixels that a detector takes."""


class MetadataError(InputError):
    """A file whose metadata is missing or does not agree with the rest of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metadata:
    """What prediction needs, and where it comes from.

    Attributes:
        package_version: Version of `keras_forensics` that wrote this.
        keras_version: Version of Keras that saved the model.
        class_names: Names of the scores 0 and 1.
        value_range: Grey levels of the pixels that the model takes.
        image_size: Side of its square input in pixels.
        training_data: `fingerprint` of the images of the last training; None where it
            is not known.
        threshold: An image is called fake when its score is at least this.
        threshold_criterion: By which it was chosen on val.
        temperature: Fitted on val; a score's logit is divided by it.
        val_images: How many images both were chosen on.
        evidence: How the detector does on them; None where an older version wrote this.
        usual_gate: Mean gate over some of them, a number in [0, 1] for each channel;
            None where there is no gate, or an older version wrote this.
    """

    package_version: str
    keras_version: str
    class_names: tuple[str, str] = CLASS_NAMES
    value_range: tuple[int, int] = VALUE_RANGE
    image_size: int
    training_data: str | None
    threshold: float
    threshold_criterion: Criterion
    temperature: float
    val_images: int
    evidence: Evidence | None = None
    usual_gate: tuple[float, ...] | None = None

    def __post_init__(self):
        # Only what this version reads may be written, or taken from a file.
        check_criterion("threshold_criterion", self.threshold_criterion)
        allowed = {
            "class_names": tuple(self.class_names) == CLASS_NAMES,
            "value_range": tuple(self.value_range) == VALUE_RANGE,
            "image_size": self.image_size > 0,
            "threshold": 0 <= self.threshold <= 1,
            "temperature": 0 < self.temperature < math.inf,
            "val_images": self.val_images > 0,
            "usual_gate": all(0 <= gate <= 1 for gate in self.usual_gate or ()),
        }
        for name, fine in allowed.items():
            if not fine:
                raise InputError(
                    f"`{name}` of a detector cannot be this. Received: "
                    f"{name}={getattr(self, name)!r}"
                )

    def weaknesses(self) -> list[str]:
        """Why the threshold cannot be relied on, as sentences; none if it can."""
        return [] if self.evidence is None else self.evidence.weaknesses()


def fingerprint(images: ImageList, root: str | Path) -> str:
    """A hash of the images' names below `root`, their labels and their pixels.

    The pixels come in as the hashes that `check_data_dir` made of them when it decoded
    every file, so that this costs nothing more. The order of the images does not
    matter, nor does where `root` is.

    Returns:
        64 hexadecimal digits.
    """
    if not images.digests:
        raise ValueError(
            "`images` must come from `check_data_dir`, which hashes their pixels. "
            f"Received: {len(images)} images without hashes"
        )
    lines = sorted(
        # A name need not be valid UTF-8.
        f"{path.relative_to(root).as_posix()}\0{label}\0{digest}\n"
        for path, label, digest in zip(
            images.paths, images.labels, images.digests, strict=True
        )
    )
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def saved_by(path: str | Path) -> str:
    """The version of Keras that saved a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("metadata.json"))["keras_version"]


def hash_weights(path: str | Path) -> str:
    """The SHA-256 of the weights in a `.keras` file, whatever its metadata are."""
    with zipfile.ZipFile(path) as archive:
        return _hash_member(archive, "model.weights.h5")


def add_metadata(path: str | Path, metadata: Metadata) -> None:
    """Appends metadata to a `.keras` file that nobody reads yet, and that has none."""
    with zipfile.ZipFile(path, "a") as archive:
        content = dataclasses.asdict(metadata) | {
            "format": FORMAT,
            "members": _hash_members(archive),
        }
        content["sha256"] = _hash_content(content)
        # Its date is always the same: equal models stay equal.
        member = zipfile.ZipInfo(MEMBER)
        member.external_attr = 0o644 << 16
        archive.writestr(member, json.dumps(content, indent=1) + "\n")


def replace_metadata(path: str | Path, metadata: Metadata) -> None:
    """Gives a `.keras` file other metadata, or the first; the model stays as it is.

    Raises:
        OSError: If the file cannot be written; the old one is still there.
    """
    with replacing(path) as partial:
        with (
            zipfile.ZipFile(path) as old,
            zipfile.ZipFile(partial, "w") as new,
        ):
            for member in old.infolist():
                if member.filename == MEMBER:
                    continue
                with old.open(member) as source, new.open(member, "w") as target:
                    shutil.copyfileobj(source, target, 2**20)
        add_metadata(partial, metadata)


def has_metadata(path: str | Path) -> bool:
    """Whether a `.keras` file carries metadata, right or wrong."""
    with zipfile.ZipFile(path) as archive:
        return MEMBER in archive.namelist()


def read_metadata(path: str | Path) -> Metadata:
    """Reads the metadata of a `.keras` file, and checks all of the file against it.

    Raises:
        FileNotFoundError: If there is no such file.
        MetadataError: If the file has no metadata, is damaged, or was changed after
            they were written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                raise MetadataError(
                    f"{path} carries no threshold and no temperature. Choose them on "
                    "your validation images: python -m examples.deepfake_v3 calibrate "
                    f"--model-path {path} --data-dir DIR. Received: a file without "
                    f"{MEMBER!r}"
                )
            content = json.loads(archive.read(MEMBER))
            if not isinstance(content, dict):
                raise _changed(path, [MEMBER])
            if content.get("format") != FORMAT:
                raise MetadataError(
                    f"{path} was written by another version of keras_forensics, "
                    f"{content.get('package_version')}. Use that one, or give the file "
                    "metadata of this one: python -m examples.deepfake_v3 calibrate "
                    f"--model-path {path} --data-dir DIR. Received: "
                    f"format={content.get('format')!r}, not {FORMAT}"
                )
            if content.pop("sha256", None) != _hash_content(content):
                raise _changed(path, [MEMBER])
            written, found = content.pop("members"), _hash_members(archive)
            if written != found:
                names = sorted(written.keys() | found.keys())
                raise _changed(
                    path,
                    [name for name in names if written.get(name) != found.get(name)],
                )
    # Damaged members raise what zlib or json do.
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, OSError) as error:
        if isinstance(error, MetadataError | FileNotFoundError):
            raise
        raise MetadataError(
            f"{path} is damaged: {error}. Take another copy of it. Received: "
            f"{type(error).__name__}"
        ) from error
    del content["format"]
    for name in ("class_names", "value_range", "usual_gate"):
        if content.get(name) is not None:
            content[name] = tuple(content[name])
    if content.get("evidence") is not None:
        content["evidence"] = Evidence(**content["evidence"])
    return Metadata(**content)


def check_sha256(path: str | Path, expected: str) -> None:
    """Compares the whole file with a hash that was kept elsewhere.

    Raises:
        MetadataError: If it differs.
    """
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.lower():
        raise MetadataError(
            f"{path} is not the file that is expected. Take it from where the hash "
            f"comes from. Received: expected_sha256={expected!r}, but the file has "
            f"{found!r}"
        )


def _changed(path: str | Path, members: Collection[str]) -> MetadataError:
    return MetadataError(
        f"{path} was changed or damaged after its metadata was written: "
        f"{', '.join(members)}. Take another copy of it, or, if you changed it "
        "yourself, calibrate it anew: python -m examples.deepfake_v3 calibrate "
        f"--model-path {path} --data-dir DIR. Received: a hash that does not fit"
    )


def _hash_members(archive: zipfile.ZipFile) -> dict[str, str]:
    """The SHA-256 of every member but ours, by its name."""
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise MetadataError(
            f"{archive.filename} holds two members of one name, of which Keras may "
            f"read the other. Take another copy of it. Received: {sorted(names)}"
        )
    return {
        name: _hash_member(archive, name) for name in sorted(names) if name != MEMBER
    }


def _hash_member(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while piece := member.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def _hash_content(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
