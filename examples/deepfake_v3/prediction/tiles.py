"""Larger images than the model's input: tiles at native resolution.

Nothing is scaled down, since that would destroy the traces that a detector looks for.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from examples.deepfake_v3.evaluation.logits import to_logits
from examples.deepfake_v3.loading.images import crop_to_size
from examples.deepfake_v3.options.choices import OVERLAP

CELL = 16  # pixels of a tile in the heat map


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where the tiles of an image are, in pixels.

    Attributes:
        tops: First row of each row of tiles.
        lefts: First column of each column of tiles.
        side: Side of a tile: the model's, or that of the image where it is smaller.
    """

    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    side: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return len(self.tops), len(self.lefts)

    def cut(self, image: np.ndarray, size: int) -> Iterator[np.ndarray]:
        """The tiles, row by row, uint8 `(size, size, 3)`; small ones are enlarged."""
        for top in self.tops:
            for left in self.lefts:
                tile = image[top : top + self.side, left : left + self.side]
                yield crop_to_size(tile, size)


def lay_grid(height: int, width: int, size: int, overlap: float = OVERLAP) -> Grid:
    """Lays tiles over an image, as few as cover it all.

    The first and the last begin and end at the borders, the others at even distances
    between. Where a side of the image is shorter than `size`, tiles are as small, and
    enlarged as `crop_to_size` does with small images.

    Args:
        height: Rows of the image in pixels.
        width: Its columns.
        size: Side of the model's input in pixels.
        overlap: Share of a tile's side that its neighbour covers, at the least.

    Raises:
        ValueError: If `overlap` is not at least 0 and below 1.
    """
    if not 0 <= overlap < 1:
        raise ValueError(
            f"`overlap` must be at least 0 and below 1. Received: overlap={overlap}"
        )
    side = min(size, height, width)
    most = max(1, math.floor(side * (1 - overlap)))  # from one to the next

    def places(length: int) -> tuple[int, ...]:
        count = math.ceil((length - side) / most) + 1
        return tuple(round(place) for place in np.linspace(0, length - side, count))

    return Grid(places(height), places(width), side)


def mean_score(scores: np.ndarray) -> float:
    """The score of an image: the mean logit of its tiles, as a score again.

    In logits, two tiles that are as sure of real and of fake cancel out, and how sure
    a tile is counts; a mean of scores would count .999 as hardly more than .9.
    """
    return float(1 / (1 + np.exp(-np.mean(to_logits(scores)))))


def save_heat_map(scores: np.ndarray, path: Path) -> None:
    """Writes the scores of a grid as PNG, a square of 16 pixels a tile.

    Args:
        scores: Array `(rows, columns)` in [0, 1], dark for real, bright for fake.
        path: The file.
    """
    import matplotlib

    colours = matplotlib.colormaps["viridis"](scores, bytes=True)[..., :3]
    cells = colours.repeat(CELL, axis=0).repeat(CELL, axis=1)
    Image.fromarray(np.ascontiguousarray(cells)).save(path, "PNG")
