"""Draws the explanation of one image, pixel by pixel."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from examples.deepfake_v3.evaluation.figures import DPI, FAKE, GREY, REAL
from examples.deepfake_v3.explanation.attribution import block_edges
from examples.deepfake_v3.explanation.explanation import Explanation
from examples.deepfake_v3.files.files import replacing

PANEL = 224  # pixels, about the side of a panel
LETTER = 7.6  # pixels, the mean width at 10 points
COLUMNS = 5  # of residual maps
CHANNELS = 8  # of the gate
STRENGTH = 0.75  # of the colour over the strongest block

SIGNS = LinearSegmentedColormap.from_list("real_fake", [REAL, "white", FAKE])


def draw_explanation(explanation: Explanation) -> Figure:
    """Draws one picture of all that is known of a prediction.

    Residual maps and photograph are enlarged by a whole number, so that each pixel of
    the image is a square of the picture.
    """
    with matplotlib.rc_context({"font.size": 10}):  # points
        return _Sheet(explanation).figure


def save_explanation(explanation: Explanation, path: str | Path) -> None:
    """Writes the picture as a PNG file, in place of an old one if there is one."""
    figure = draw_explanation(explanation)
    with replacing(path) as partial:
        figure.savefig(partial, format="png")


class _Sheet:
    """Lays out the picture from its top, in pixels."""

    def __init__(self, explanation: Explanation):
        self.explanation = explanation
        side = len(explanation.pixels)
        self.panel = side * max(1, round(PANEL / side))
        # Of larger panels, letters are larger, too.
        unit = self.unit = max(1.0, self.panel / PANEL)
        self.gap = round(18 * unit)
        self.width = COLUMNS * self.panel + (COLUMNS + 1) * self.gap
        caption = _wrapped(explanation.caption, (self.width - 2 * self.gap) / unit)
        lines = caption.count("\n") + 1
        rows = [50 * unit, self.panel + 66 * unit, *[self.panel + 26 * unit] * 2]
        self.height = round(sum(rows) + (74 + 15.5 * lines) * unit)
        self.figure = Figure(
            (self.width / DPI, self.height / DPI), dpi=DPI, facecolor="white"
        )
        FigureCanvasAgg(self.figure)

        top = self._headline()
        top = self._where_and_what(top + round(24 * unit))
        top = self._residuals(top + round(24 * unit))
        self._text(caption, self.gap, top + round(8 * unit), 10, linespacing=1.3)

    def _headline(self) -> int:
        explanation = self.explanation
        name = textwrap.shorten(explanation.name, 90, placeholder="…")
        self._text(name, self.gap, round(8 * self.unit), 11)
        colour = FAKE if explanation.called_fake else REAL
        top = round(26 * self.unit)
        self._text(explanation.headline, self.gap, top, 13, color=colour, weight="bold")
        return top + round(22 * self.unit)

    def _where_and_what(self, top: int) -> int:
        """The first row: photograph, a map for each stream, the gate."""
        explanation = self.explanation
        self._photograph(self._axes(0, top))
        for column, (title, values) in enumerate(
            (
                ("what counts: visual stream", explanation.visual),
                ("what counts: forensic stream", explanation.forensic),
            ),
            start=1,
        ):
            axes = self._axes(column, top)
            self._title(axes, title)
            self._attribution(axes, values)
            self._sign_bar(column, top + self.panel + round(8 * self.unit), values)
        left = 3 * (self.panel + self.gap) + self.gap
        room = round(112 * self.unit)  # of the channels' names
        box = (left + room, top, 2 * self.panel + self.gap - room, self.panel)
        self._channels(self._box(*box))
        return top + self.panel + round(42 * self.unit)

    def _photograph(self, axes: Axes) -> None:
        """All of the photograph, with a frame round what the detector saw."""
        photograph, crop = self.explanation.photograph, self.explanation.crop
        height, width, _ = photograph.shape
        self._title(axes, "photograph")
        axes.set_axis_off()
        longer = max(height, width)
        if longer == len(self.explanation.pixels):
            axes.imshow(photograph, interpolation="nearest")
            return
        small = Image.fromarray(photograph)
        scale = self.panel / longer
        small = small.resize(
            (max(1, round(width * scale)), max(1, round(height * scale))),
            Image.Resampling.LANCZOS,
        )
        axes.imshow(small, interpolation="nearest")
        # Its own size above and to the left, nothing where it is narrower.
        axes.set(xlim=(-0.5, self.panel - 0.5), ylim=(self.panel - 0.5, -0.5))
        if crop.side < longer:
            axes.add_patch(
                Rectangle(
                    (crop.left * scale - 0.5, crop.top * scale - 0.5),
                    crop.side * scale,
                    crop.side * scale,
                    fill=False,
                    color="white",
                    linewidth=1.5,
                )
            )

    def _attribution(self, axes: Axes, values: np.ndarray) -> None:
        pixels = self.explanation.pixels
        grey = pixels @ np.array([0.299, 0.587, 0.114]) / 255
        # The picture faded, so that colours are seen over dark places, too.
        grey = 0.35 + 0.65 * grey
        share = values / (abs(values).max() or 1.0)
        colours = SIGNS(0.5 + 0.5 * share)[..., :3]
        edges = block_edges(len(grey))
        index = np.searchsorted(edges, np.arange(len(grey)), side="right") - 1
        alpha = STRENGTH * abs(share)[index][:, index][..., None]
        blended = (1 - alpha) * grey[..., None] + alpha * colours[index][:, index]
        axes.imshow(blended, interpolation="nearest", vmin=0, vmax=1)
        axes.set_axis_off()

    def _sign_bar(self, column: int, top: int, values: np.ndarray) -> None:
        largest = abs(values).max()
        left = self.gap + column * (self.panel + self.gap)
        axes = self._box(left, top, self.panel, round(8 * self.unit))
        axes.imshow(np.linspace(-1, 1, 256)[None], cmap=SIGNS, aspect="auto")
        axes.set_yticks([])
        axes.set_xticks(
            [0, 127.5, 255],
            [f"real {largest:.2g}", "logit", f"{largest:.2g} fake"],
            fontsize=8.5 * self.unit,
        )
        axes.tick_params(length=2)
        _keep_labels_inside(axes)

    def _channels(self, axes: Axes) -> None:
        explanation = self.explanation
        axes.spines[["top", "right", "left"]].set_visible(False)
        if explanation.gate_logits is None:
            self._title(axes, "gate")
            axes.set_axis_off()
            axes.text(
                0.5,
                0.5,
                "not known: calibrate the detector anew",
                transform=axes.transAxes,
                ha="center",
                va="center",
                fontsize=10 * self.unit,
                color=GREY,
            )
            return
        self._title(
            axes,
            f"gate: all channels {explanation.gate_logits:+.2f}; the most used",
        )
        channels = explanation.channels[:CHANNELS]
        values = [channel.logits for channel in channels]
        colours = [FAKE if value > 0 else REAL for value in values]
        axes.barh(range(len(values)), values, color=colours)
        axes.invert_yaxis()
        axes.axvline(0, color="black", lw=0.8)
        names = [f"{c.index}:  {c.gate:.2f} ({c.usual:.2f})" for c in channels]
        axes.set_yticks(range(len(names)), names, fontsize=8.5 * self.unit)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelsize=8.5 * self.unit)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(
            "logit (left: channel, gate, usual gate)",
            fontsize=8.5 * self.unit,
        )

    def _residuals(self, top: int) -> int:
        explanation = self.explanation
        for maps in (explanation.fixed, explanation.learnable):
            for column, (name, values) in enumerate(list(maps.items())[:COLUMNS]):
                axes = self._axes(column, top)
                self._title(axes, name)
                axes.imshow(
                    values,
                    cmap="gray",
                    vmin=0,
                    vmax=explanation.white,
                    interpolation="nearest",
                )
                axes.set_axis_off()
            top += self.panel + round(26 * self.unit)
        bar = self._box(
            self.gap, top - round(16 * self.unit), self.panel, round(8 * self.unit)
        )
        bar.imshow(np.linspace(0, 1, 256)[None], cmap="gray", aspect="auto")
        bar.set_yticks([])
        bar.set_xticks(
            [0, 255],
            ["0", f"{explanation.white:.3g} and more grey levels"],
            fontsize=8.5 * self.unit,
        )
        bar.tick_params(length=2)
        _keep_labels_inside(bar)
        return top + round(16 * self.unit)

    def _axes(self, column: int, top: int) -> Axes:
        left = self.gap + column * (self.panel + self.gap)
        return self._box(left, top, self.panel, self.panel)

    def _box(self, left: int, top: int, width: int, height: int) -> Axes:
        """Axes on whole pixels of the picture, counted from its top."""
        axes = self.figure.add_axes(
            (
                left / self.width,
                1 - (top + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )
        return axes

    def _title(self, axes: Axes, title: str) -> None:
        axes.set_title(title, fontsize=10 * self.unit)

    def _text(self, text: str, left: int, top: int, size: float, **options) -> None:
        self.figure.text(
            left / self.width,
            1 - top / self.height,
            text,
            va="top",
            fontsize=size * self.unit,
            **options,
        )


def _keep_labels_inside(axes: Axes) -> None:
    first, *_, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def _wrapped(paragraphs: Sequence[str], width: float) -> str:
    """The caption in lines that fit; in units of a small panel."""
    lines = [textwrap.fill(paragraph, int(width / LETTER)) for paragraph in paragraphs]
    return "\n".join(lines)
