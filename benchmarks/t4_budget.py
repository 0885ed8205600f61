"""What a T4 allows: arithmetic from the model's layers, no measurement.

    python -m benchmarks.t4_budget

For every layer, the time is the larger of its operations over the T4's rate and its
bytes over the T4's bandwidth. Every layer reads its inputs and writes its output, so
nothing is taken to be fused; real programs fuse some of it and lose time elsewhere.
"""

import dataclasses
import itertools
import math
from pathlib import Path

import keras
import tyro

from benchmarks.public_form import public_stream
from benchmarks.record import write_result
from examples.deepfake_v3.model import HEAD_UNITS, LEVELS, build_model_v3
from examples.deepfake_v3.options.fine_tune import FineTuneConfig
from examples.deepfake_v3.options.train import Config
from keras_forensics.layers import ForensicStreamV3

OPERATIONS = 65e12  # float16 with tensor cores, a second (NVIDIA T4 data sheet)
FLOAT32_OPERATIONS = 8.1e12  # float32, a second (the same)
BANDWIDTH = 320e9  # bytes a second (the same)
HOURS = 2
IMAGES = 20_000  # of an epoch, for the column of minutes
# Augmentation: some four passes that read and write a float32 image.
AUGMENTATION_PASSES = 4


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one image costs in one layer, forward.

    Attributes:
        flops: Operations; a multiplication with its addition is two.
        size: Bytes read and written.
        rate: Operations a second that the T4 has for them.
    """

    flops: float
    size: float
    rate: float = OPERATIONS

    @property
    def seconds(self) -> float:
        """The larger of the two bounds."""
        return max(self.flops / self.rate, self.size / BANDWIDTH)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Work out images a second and images an epoch on a T4."""

    image_size: int = 224
    """Side of the images in pixels."""
    efficiency: float = 0.4
    """Share of the bound that is taken to be reached: an assumption."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as t4_budget.json."""


def elements(shape) -> int:
    """Values an image, the batch dimension left out."""
    return math.prod(shape[1:])


def layer_cost(layer: keras.layers.Layer, bytes_each: int = 2) -> Cost:
    """Cost of one layer of a functional model."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    read = sum(elements(each.shape) for each in inputs)
    written = elements(layer.output.shape)
    size = bytes_each * (read + written)
    kernel = getattr(layer, "kernel", None)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return Cost(2 * written * math.prod(layer.kernel_size), size)
    if isinstance(layer, keras.layers.Conv2D):
        return Cost(2 * written * math.prod(kernel.shape[:3]), size)
    if isinstance(layer, keras.layers.Dense):
        return Cost(2 * math.prod(kernel.shape), size + bytes_each * kernel.shape[0])
    return Cost(written, size)


def model_costs(model: keras.Model) -> list[Cost]:
    """Costs of the layers of a functional model."""
    return [
        layer_cost(layer)
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def pooling_costs(model: keras.Model) -> list[Cost]:
    """Costs of the channel attention, and of the statistics of all levels."""
    *_, deepest = shapes = [
        model.get_layer(f"statistics_{level}").input.shape for level in LEVELS
    ]
    hidden = model.get_layer("channel_attention").reduce.units
    attended = elements(deepest)
    attention = Cost(4 * deepest[-1] * hidden, 2 * 3 * attended)
    scale = Cost(attended, 2 * attended)
    # Two passes, one for each moment.
    pooled = [Cost(4 * elements(shape), 2 * 2 * elements(shape)) for shape in shapes]
    return [attention, scale, *pooled]


def stream_costs(size: int, gate_dim: int) -> list[Cost]:
    """Costs of `ForensicStreamV3`, layer by layer."""
    stream = ForensicStreamV3(gate_dim)
    stream.build((None, size, size, 3))
    side = size // 2
    image, maps = size * size * 3, side * side
    fixed, learnable = 5 * 3, stream.bayar_filters
    # The front computes in float32: grey levels, mirrored border, two convolutions,
    # then scale, clip and cast of the maps.
    costs = [Cost(image, 4 * 2 * image), Cost(0, 4 * 4 * image)]
    for count, passes in ((fixed, 2), (learnable, 1)):
        written = maps * count
        costs.append(Cost(2 * written * 75, 4 * (image + written), FLOAT32_OPERATIONS))
        costs += [Cost(written, 8 * written)] * passes
    channels = fixed + learnable
    costs += [Cost(0, 4 * maps * channels)] * 2  # concatenation, normalisation
    for features in stream.features:
        written = (side // 2) ** 2 * features
        costs.append(
            Cost(2 * written * 9 * channels, 2 * (side**2 * channels + written))
        )
        costs += [Cost(written, 4 * written)] * 2  # normalisation, ReLU
        side, channels = side // 2, features
    costs.append(Cost(2 * channels * stream.gate_dim, 2 * stream.gate_dim))
    return costs


def head_costs(features: int) -> list[Cost]:
    """Costs of the fusion and the head."""
    widths = (2 * features, *HEAD_UNITS, 1)  # gated and ungated
    return [Cost(2 * a * b, 2 * (a + b)) for a, b in itertools.pairwise(widths)]


def seconds(costs: list[Cost]) -> float:
    """Seconds an image."""
    return sum(cost.seconds for cost in costs)


def training_seconds(backbone: list[Cost], rest: list[Cost], trained: int) -> float:
    """Seconds an image for a step that trains the last layers of the backbone.

    The backward pass costs twice the forward one: once for the inputs, once for the
    weights.
    """
    forward = seconds(backbone) + seconds(rest)
    backward = 2 * (seconds(rest) + seconds(backbone[len(backbone) - trained :]))
    return forward + backward


def main(benchmark: Benchmark) -> None:
    """Works out the parts and the stages, and writes both tables."""
    size = benchmark.image_size
    model = build_model_v3(weights=None, image_size=size)
    backbone = model_costs(model.get_layer("backbone"))
    features = model.get_layer("visual_features").output.shape[-1]
    images = keras.Input((size, size, 3))
    public = model_costs(keras.Model(images, public_stream(images)))
    stream, head = stream_costs(size, features), head_costs(features)
    pooling = pooling_costs(model)
    augmentation = [Cost(0, 8 * size * size * 3)] * AUGMENTATION_PASSES
    parts = {
        "MobileNetV2": backbone,
        "channel attention, pooling": pooling,
        "ForensicStreamV3": stream,
        "fusion and head": head,
        "augmentation": augmentation,
        "public stream, for comparison": public,
    }
    write_result(
        Path(benchmark.results_dir) / "t4_budget_parts.json",
        title="T4 budget: the parts",
        what=(
            f"One image of {size}x{size}x3, forward, worked out from the layers' "
            "shapes for float16 (the forensic front float32): 65 TFLOP/s float16, 8.1 "
            "TFLOP/s float32, 320 GB/s. Not a measurement."
        ),
        columns=["part", "MFLOP", "MB read and written", "microseconds at the bound"],
        rows=[
            [
                name,
                f"{sum(cost.flops for cost in costs) / 1e6:.1f}",
                f"{sum(cost.size for cost in costs) / 1e6:.1f}",
                f"{1e6 * seconds(costs):.1f}",
            ]
            for name, costs in parts.items()
        ],
        notes="Nearly all parts are bound by memory, not by arithmetic.",
    )

    rest = pooling + stream + head
    layers = len(backbone)
    tuning = FineTuneConfig()
    stages = [("frozen backbone", 0, Config().epochs)]
    stages += [
        (f"stage {number}: last {last or 'all'}", layers if last is None else last, n)
        for number, (last, n) in enumerate(
            zip(tuning.unfreeze, tuning.epochs, strict=True), 1
        )
    ]
    rows, total = [], 0.0
    for name, trained, epochs in stages:
        bound = training_seconds(backbone, rest, trained) + seconds(augmentation)
        # A tenth as many validation images, forward only.
        validation = 0.1 * (seconds(backbone) + seconds(rest))
        assumed = (bound + validation) / benchmark.efficiency
        total += epochs * assumed
        minutes = epochs * IMAGES * assumed / 60
        rows.append(
            [name, epochs, f"{1 / bound:.0f}", f"{1 / assumed:.0f}", f"{minutes:.1f}"]
        )
        print(*rows[-1], sep="\t")
    fitting = HOURS * 3600 / total
    print(f"{fitting:.0f} images an epoch")
    write_result(
        Path(benchmark.results_dir) / "t4_budget_stages.json",
        title="T4 budget: the stages",
        what=(
            "Images a second of each stage at the bound of the parts above (forward "
            "once, backward twice for what is trained), and with "
            f"{benchmark.efficiency:.0%} of it reached and a tenth as many validation "
            "images: an assumption, not a measurement."
        ),
        columns=[
            "stage",
            "epochs",
            "images/s at the bound",
            "images/s assumed",
            f"minutes for {IMAGES:,} images an epoch",
        ],
        rows=rows,
        notes=(
            f"So {HOURS} hours hold about {round(fitting, -3):,.0f} training images "
            "an epoch."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
