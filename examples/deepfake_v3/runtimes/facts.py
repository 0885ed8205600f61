"""What an exported file says of itself: the metadata of the detector, as text.

Every format can hold names with texts. Each text is JSON, so that
`json.loads(texts["threshold"])` is a number wherever it is read.
"""

import dataclasses
import json
from collections.abc import Mapping

from examples.deepfake_v3.model_files.evidence import Evidence
from examples.deepfake_v3.model_files.metadata import Metadata, MetadataError

NAMESPACE = "keras_forensics"
"""Under which name a format keeps the texts, where it has room for one name only."""

# The gate is for explanations, which need the model in Keras.
LEFT_OUT = frozenset({"usual_gate"})

# Files of older versions do not have it.
OPTIONAL = frozenset({"evidence"})


def as_texts(metadata: Metadata) -> dict[str, str]:
    """The metadata as names with JSON texts."""
    return {
        name: json.dumps(value)
        for name, value in dataclasses.asdict(metadata).items()
        if name not in LEFT_OUT
    }


def from_texts(texts: Mapping[str, str], path: object) -> Metadata:
    """The metadata that the texts of a file hold; what else it holds is passed over.

    Raises:
        MetadataError: If one is missing or cannot be what it says.
    """
    fields = [
        field.name
        for field in dataclasses.fields(Metadata)
        if field.name not in LEFT_OUT
    ]
    missing = [name for name in fields if name not in {*texts, *OPTIONAL}]
    if missing:
        raise MetadataError(
            f"{path} does not say which {', '.join(missing)} it has, so its scores "
            "have no verdict. Export the model anew: this package's `export` writes "
            f"them into the file. Received: {path} with {sorted(texts) or 'nothing'}"
        )
    try:
        values = {name: json.loads(texts[name]) for name in fields if name in texts}
        for name in ("class_names", "value_range"):
            values[name] = tuple(values[name])
        if values.get("evidence") is not None:
            values["evidence"] = Evidence(**values["evidence"])
        return Metadata(**values)
    except (TypeError, ValueError) as error:
        raise MetadataError(
            f"What {path} says of itself cannot be read: {error}"
        ) from error
