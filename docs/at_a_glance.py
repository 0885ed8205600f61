"""Which question, which layer, what it buys and what not: numbers of the results."""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"

LINES = (
    (
        "Was this picture edited, and how?",
        ("srm_layer_v3", "bayar_conv2d"),
        "Six kinds of edits told apart: accuracy {srm} behind fixed filters, "
        "{constrained} behind constrained and {free} behind free ones.",
        "On edits half as strong, {harder_srm} and {harder_free}.",
    ),
    (
        "Does it hide a message?",
        ("srm_features", "spam_features"),
        "Detection error {q1}, where {spam} is reached with 686 features and .50 is "
        "chance; many times as fast as the published code.",
        "No network; what it learns holds for pictures like those it has seen.",
    ),
    (
        "Is it generated? Small pictures, little training",
        ("forensic_stream_v3", "statistics_pooling2d"),
        "AUC {frozen} with a frozen backbone, {without} without the stream.",
        "Nothing once all layers are trained: {detector}, and {plain} for a plain "
        "backbone. On faces nothing at all.",
    ),
    (
        "By a generator that was never seen?",
        ("color_rich_features", "srm_filter_bank"),
        "AUC {unseen} against untouched photographs, {worst} for the worst generator.",
        "Resized photographs look alike: at a threshold that spares them, {found} of "
        "the fakes are found.",
    ),
)
"""A question, the pages of its layers, what they buy, and what they do not."""

VALUES = {
    "srm": ("manipulation", ("easy", "bsds500", "SRM, 5 filters"), "accuracy"),
    "constrained": ("manipulation", ("easy", "bsds500", "constrained"), "accuracy"),
    "free": ("manipulation", ("easy", "bsds500", "free"), "accuracy"),
    "harder_srm": ("manipulation", ("harder", "bsds500", "SRM, 5 filters"), "accuracy"),
    "harder_free": ("manipulation", ("harder", "bsds500", "free"), "accuracy"),
    "q1": ("steganalysis", ("SRMFeatures, q1",), "detection error"),
    "spam": ("steganalysis", ("SPAMFeatures",), "detection error"),
    "frozen": ("accuracy_cifake_frozen", ("detector",), "AUC"),
    "without": ("accuracy_cifake_frozen", ("no forensic stream",), "AUC"),
    "detector": ("accuracy_cifake", ("detector",), "AUC"),
    "plain": ("accuracy_cifake", ("plain backbone",), "AUC"),
    "unseen": ("generators", ("mean of 8",), "AUC"),
    "worst": ("generators", ("worst of 8",), "AUC"),
    "found": ("generators", ("mean of 8",), "fakes found, known"),
}
"""Where each number stands: a file of results, cells of its row, and a column."""

SPEEDS = (
    *(
        (f"{name}: times as fast as sealwatch", "speed_rich_models", (name,), "ratio")
        for name in ("SPAM", "SRM q1", "SRM full", "colour", "DCTR", "GFR")
    ),
    *(
        (
            f"{form}, inference: share of MobileNetV2's time",
            "speed_detector",
            ("stream, inference", "16", form),
            "ratio",
        )
        for form in ("ForensicStreamV3", "public stream")
    ),
    (
        "SRMLayerV3: multiple of the time that copying its maps takes",
        "speed_layers",
        ("SRM maps", "float32", "forward", "SRMLayerV3"),
        "ratio to a copy",
    ),
    (
        "JPEGCompression: multiple of Pillow's time on two cores",
        "speed_jpeg",
        ("`JPEGCompression`",),
        "time relative to Pillow's",
    ),
)
"""What is timed, the first part of its files, cells of its row, and a column."""

BACKENDS = ("tensorflow", "jax", "torch")


def value(file: str, cells: tuple[str, ...], column: str) -> str:
    """One number of a table, to 3 digits at the most, without its spread.

    Raises:
        ValueError: If not exactly one row has these cells.
    """
    result = json.loads((RESULTS / f"{file}.json").read_text("utf-8"))
    rows = [row for row in result["rows"] if set(cells) <= set(map(str, row))]
    if len(rows) != 1:
        raise ValueError(f"{file}.json: {len(rows)} rows have the cells {cells}")
    cell = rows[0][result["columns"].index(column)]
    number = f"{cell:.2f}" if isinstance(cell, float) else str(cell).split(" ")[0]
    return number.removeprefix("0")


def title_of(page: str) -> str:
    """The name of the layer that a page of the API is of."""
    text = (RESULTS.parent.parent / "docs" / "api" / f"{page}.md").read_text("utf-8")
    return text.partition("\n")[0].removeprefix("# ").strip()


def chart(root: str = "") -> str:
    """The chart as a table in Markdown.

    Args:
        root: Way from the page that includes it to the folder of the docs.
    """
    numbers = {name: value(*place) for name, place in VALUES.items()}
    lines = [
        "| the question | take | what it buys | what it does not |",
        "|---|---|---|---|",
    ]
    for question, pages, buys, not_bought in LINES:
        layers = ", ".join(f"[{title_of(page)}]({root}api/{page}.md)" for page in pages)
        cells = (question, layers, buys.format(**numbers), not_bought.format(**numbers))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def speed_chart() -> str:
    """The most important ratios of time, by backend, as a table in Markdown."""
    lines = ["| on two cores | TensorFlow | JAX | torch |", "|---|---|---|---|"]
    for what, file, cells, column in SPEEDS:
        ratios = [value(f"{file}_{backend}", cells, column) for backend in BACKENDS]
        lines.append("| " + " | ".join([what, *ratios]) + " |")
    return "\n".join(lines) + "\n"
