"""What options can be chosen from, and numbers that several start with."""

from typing import Literal

Pipeline = Literal["auto", "tf", "grain"]
"""Input pipelines; auto is tf on TensorFlow, grain elsewhere."""

MixedPrecision = Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]

Distribute = Literal["none", "devices", "hosts"]

JpegPer = Literal["image", "batch"]

FormatName = Literal[
    "savedmodel", "onnx", "litert", "litert-float16", "litert-int8", "openvino"
]

RuntimeName = Literal["onnx", "openvino", "litert"]
"""Runtimes that score with an exported file, without Keras."""

EXPORTS = "exports"
"""Where exported files are written, and looked for."""

BATCH_SIZE = 48
"""Images per prediction step. Scores depend on it in their last digits, so that all
commands share it."""

OVERLAP = 0.25
"""Share of a tile's side that its neighbour covers too, at the least."""

SECONDS = 60.0
"""How long a file may be decoded. The largest images that are read take about 5."""

MAX_DISTANCE = 4
"""Bits that may differ. From 6 on, other people in the same pose come in."""
