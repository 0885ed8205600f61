"""The catalogue of fixed residual filters: the only place where coefficients live.

A `Filter` is stored as integer taps and one integer divisor, so that residuals of
integer pixels can be computed exactly. Kernels are cross-correlation kernels (they
are not flipped) in row-major order, padded to 5x5.

The banks:

| name | filters | source |
|---|---|---|
| `"v3"` | KV, SPAM, MinMax, Bayar, Laplacian | the bank of the V3 detector, rank 5 |
| `"srm30"` | the 30 basic filters | Fridrich & Kodovsky (2012) |
| `"rgbn"` | KV, KB, second order | Zhou et al. (2018) |

References:
    - Fridrich, J. & Kodovsky, J. (2012). Rich models for steganalysis of digital
      images. IEEE Transactions on Information Forensics and Security 7(3).
      <https://doi.org/10.1109/TIFS.2012.2190402>
    - Bayar, B. & Stamm, M. C. (2018). Constrained convolutional neural networks.
      IEEE Transactions on Information Forensics and Security 13(11).
      <https://doi.org/10.1109/TIFS.2018.2825953>
    - Zhou, P. et al. (2018). Learning rich features for image manipulation
      detection. CVPR. <https://arxiv.org/abs/1805.04953>
"""

import dataclasses

import numpy as np

SRM_PAPER = "Fridrich & Kodovsky (2012)"
"""The source of the filters in `SRM30`, and of two in `V3`."""

BAYAR_PAPER = "Bayar & Stamm (2018)"
"""The source of the constraint that the filter "Bayar" in `V3` satisfies."""


@dataclasses.dataclass(frozen=True)
class Filter:
    """One fixed residual filter.

    Attributes:
        name: Name of the filter in its source.
        taps: Integer taps as nested tuples, shape `(height, width)`.
        divisor: Positive integer that normalises the residual to grey levels.
        source: Where the coefficients were published.
    """

    name: str
    taps: tuple[tuple[int, ...], ...]
    divisor: int
    source: str

    @property
    def kernel(self) -> np.ndarray:
        """`taps / divisor` as a float64 array of shape `(height, width)`."""
        return np.array(self.taps) / self.divisor


def _filter(name: str, taps: np.ndarray, divisor: int, source: str) -> Filter:
    """Centres `taps` on a 5x5 grid."""
    pad = (5 - len(taps)) // 2
    rows = np.pad(taps, pad).tolist()
    return Filter(name, tuple(tuple(row) for row in rows), divisor, source)


def _directional(profile: dict[int, int], direction: tuple[int, int]) -> np.ndarray:
    """Puts `{offset: tap}` on a line through the centre of a 5x5 grid."""
    taps = np.zeros((5, 5), int)
    for offset, tap in profile.items():
        taps[2 + offset * direction[0], 2 + offset * direction[1]] = tap
    return taps


def _edges(square: np.ndarray) -> dict[str, np.ndarray]:
    """The four halves of a square filter, named after the side that is kept."""
    middle = len(square) // 2
    up = square.copy()
    up[middle + 1 :] = 0
    return {"U": up, "R": np.rot90(up, -1), "D": np.rot90(up, 2), "L": np.rot90(up)}


_DIRECTIONS = {  # (row step, column step), clockwise from up, as in the SRM papers
    "U": (-1, 0),
    "RU": (-1, 1),
    "R": (0, 1),
    "RD": (1, 1),
    "D": (1, 0),
    "LD": (1, -1),
    "L": (0, -1),
    "LU": (-1, -1),
}
_AXES = {"V": (-1, 0), "M": (-1, 1), "H": (0, 1), "D": (1, 1)}

# Profiles along a direction: {offset from the centre: tap}.
_FIRST = {0: -1, 1: 1}
_SECOND = {-1: 1, 0: -2, 1: 1}
_THIRD = {-1: 1, 0: -3, 1: 3, 2: -1}

_KB = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])
_KV = np.array(
    [
        [-1, 2, -2, 2, -1],
        [2, -6, 8, -6, 2],
        [-2, 8, -12, 8, -2],
        [2, -6, 8, -6, 2],
        [-1, 2, -2, 2, -1],
    ]
)
_LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
_CENTRE_3X3 = np.pad([[1]], 1)
_CENTRE_5X5 = np.pad([[1]], 2)

SRM30: tuple[Filter, ...] = (
    *(
        _filter(f"1st_{name}", _directional(_FIRST, step), 1, SRM_PAPER)
        for name, step in _DIRECTIONS.items()
    ),
    *(
        _filter(f"2nd_{name}", _directional(_SECOND, step), 2, SRM_PAPER)
        for name, step in _AXES.items()
    ),
    *(
        _filter(f"3rd_{name}", _directional(_THIRD, step), 3, SRM_PAPER)
        for name, step in _DIRECTIONS.items()
    ),
    _filter("SQUARE3x3_KB", _KB, 4, SRM_PAPER),
    *(
        _filter(f"EDGE3x3_{name}", taps, 4, SRM_PAPER)
        for name, taps in _edges(_KB).items()
    ),
    _filter("SQUARE5x5_KV", _KV, 12, SRM_PAPER),
    *(
        _filter(f"EDGE5x5_{name}", taps, 12, SRM_PAPER)
        for name, taps in _edges(_KV).items()
    ),
)
"""The 30 basic filters: 8 of first, 4 of second and 8 of third order, 10 squares and
edges."""

V3: tuple[Filter, ...] = (
    _filter("KV", _KV, 12, SRM_PAPER),
    _filter("SPAM", _edges(_KB)["U"], 4, SRM_PAPER),
    _filter("MinMax", 9 * _CENTRE_3X3 - 1, 8, "centre-surround difference"),
    _filter("Bayar", 1 - 25 * _CENTRE_5X5, 24, BAYAR_PAPER + ", the uniform member"),
    _filter("Laplacian", _LAPLACIAN, 4, "5-point Laplacian"),
)
"""The five filters of the V3 detector, linearly independent."""

RGBN: tuple[Filter, ...] = (
    _filter("KV", _KV, 12, "Zhou et al. (2018)"),
    _filter("KB", _KB, 4, "Zhou et al. (2018)"),
    _filter("2nd_H", _directional(_SECOND, (0, 1)), 2, "Zhou et al. (2018)"),
)
"""The three filters of RGB-N."""

BANKS: dict[str, tuple[Filter, ...]] = {"v3": V3, "srm30": SRM30, "rgbn": RGBN}
"""Every bank by its name."""


def get(name: str) -> tuple[Filter, ...]:
    """Returns the bank called `name`.

    Args:
        name: `"v3"`, `"srm30"` or `"rgbn"`.

    Returns:
        A tuple of `Filter`, in the order of the layer's output channels.

    Raises:
        ValueError: If there is no bank of that name.

    Example:

    ```python
    from keras_forensics import filters

    print([f.name for f in filters.get("v3")])
    #> ['KV', 'SPAM', 'MinMax', 'Bayar', 'Laplacian']
    ```
    """
    if not isinstance(name, str) or name not in BANKS:
        raise ValueError(
            f"`bank` must be one of {sorted(BANKS)} or an array of shape "
            f"(filters, height, width). Received: bank={name!r}"
        )
    return BANKS[name]
