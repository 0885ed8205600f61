"""The way of the data through the detector, with the shapes of the real model."""

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from examples.deepfake_v3.model import HEAD_UNITS, build_model_v3

WIDTH, HEIGHT = 4.9, 6.04  # inches
BOTTOM = 0.56
COLOURS = {"plain": "#eeeeee", "visual": "#d5e1f7", "forensic": "#f9dcd6"}


def data_way() -> Figure:
    """Draws image → two streams → fusion → head → probability, top-down."""
    model = build_model_v3(weights=None)

    def shape(name: str) -> str:
        return " × ".join(map(str, model.get_layer(name).output.shape[1:]))

    side = model.input_shape[1]
    head = ", ".join(map(str, HEAD_UNITS))
    figure = Figure((WIDTH, HEIGHT))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(BOTTOM, HEIGHT + BOTTOM))
    axes.axis("off")

    def box(x, y, lines, kind="plain", width=2.1) -> None:
        height = 0.16 + 0.2 * len(lines)
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.07",
                facecolor=COLOURS[kind],
                edgecolor="#808080",
                linewidth=0.8,
            )
        )
        first = y + 0.1 * (len(lines) - 1)
        for index, text in enumerate(lines):
            axes.text(
                x,
                first - 0.2 * index,
                text,
                ha="center",
                va="center",
                fontsize=10 if index == 0 else 8.5,
                color="black" if index == 0 else "#444444",
            )

    def arrow(start, end) -> None:
        style = {"arrowstyle": "-|>", "color": "#808080", "lw": 1, "shrinkA": 0}
        axes.annotate("", end, start, arrowprops={**style, "shrinkB": 0})

    left, right, middle = 1.2, 3.7, WIDTH / 2
    box(middle, 6.3, ["image", f"{side} × {side} × 3, grey levels 0..255"], width=2.7)
    arrow((middle, 6.02), (left, 5.76))
    arrow((middle, 6.02), (right, 5.76))

    box(left, 5.48, ["Rescaling", "to [−1, 1]"], "visual")
    arrow((left, 5.2), (left, 5.0))
    maps = model.get_layer("backbone").outputs
    channels = ", ".join(str(each.shape[-1]) for each in maps)
    box(left, 4.72, ["MobileNetV2, four depths", f"{channels} channels"], "visual")
    arrow((left, 4.44), (left, 4.24))
    box(left, 3.96, ["ChannelAttention", shape("channel_attention")], "visual")
    arrow((left, 3.68), (left, 3.48))
    box(left, 3.2, ["StatisticsPooling2D", shape("visual_features")], "visual")

    stream = model.get_layer("forensic_stream")
    residuals = stream.feature_layers[0].gamma.shape[0]
    forensic = "forensic"
    box(
        right,
        5.48,
        ["SRM and Bayar residuals", f"{residuals} maps, truncated"],
        forensic,
    )
    arrow((right, 5.2), (right, 5.0))
    features = ", ".join(map(str, stream.features))
    box(right, 4.72, ["convolutions", f"{features} channels"], forensic)
    arrow((right, 4.44), (right, 4.24))
    box(right, 3.96, ["global average pooling", f"{stream.features[-1]}"], forensic)
    arrow((right, 3.68), (right, 3.48))
    box(right, 3.2, ["sigmoid gate", shape("forensic_stream")], forensic)
    for x, name in ((left - 0.4, "visual stream"), (right + 0.36, "ForensicStreamV3")):
        axes.text(x, 2.72, name, ha="center", fontsize=9, color="#444444")

    arrow((left, 2.92), (middle - 0.3, 2.52))
    arrow((right, 2.92), (middle + 0.3, 2.52))
    box(
        middle,
        2.24,
        ["GatedFusion", f"[visual · gate, visual], {shape('gated_fusion')}"],
        width=2.7,
    )
    arrow((middle, 1.96), (middle, 1.76))
    box(middle, 1.58, [f"Dense {head}, each with Dropout"], width=2.7)
    arrow((middle, 1.4), (middle, 1.14))
    box(middle, 0.86, ["probability of fake", "sigmoid, float32"], width=2.7)
    return figure
