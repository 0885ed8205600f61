"""The catalogue of rich models: what each submodel counts.

A submodel of a rich model takes residuals of one family of filters, or at every pixel
the smallest and the largest of several, quantises them, and counts tuples of
neighbours. It is written down as blocks, each a histogram with a symmetry. Filters are
those of `keras_forensics.filters.SRM30`.

References:
    - Fridrich, J. & Kodovsky, J. (2012). Rich models for steganalysis of digital
      images. IEEE Transactions on Information Forensics and Security 7(3).
      <https://doi.org/10.1109/TIFS.2012.2190402>
    - Goljan, M., Fridrich, J. & Cogranne, R. (2014). Rich model for steganalysis of
      color images. WIFS. <https://doi.org/10.1109/WIFS.2014.7084325>
"""

import dataclasses

from keras_forensics import filters

Map = frozenset[str]
"""A residual map: that of one filter, or the extremes of several."""


@dataclasses.dataclass(frozen=True)
class Family:
    """Filters whose residuals are combined.

    Attributes:
        name: How the names of its submodels begin.
        prefixes: How the names of its filters begin in `filters.SRM30`; what follows is
            the direction, "KB" or "KV".
        border: Pixels lost on every side.
        steps: Quantisation steps of the full model, in units of the filters' divisor.
    """

    name: str
    prefixes: tuple[str, ...]
    border: int
    steps: tuple[float, ...] = (1, 1.5, 2)

    @property
    def filters(self) -> dict[str, filters.Filter]:
        """Filters by direction."""
        return {
            entry.name.removeprefix(prefix): entry
            for prefix in self.prefixes
            for entry in filters.SRM30
            if entry.name.startswith(prefix)
        }


FIRST = Family("s1", ("1st_",), 1, steps=(1, 2))
SECOND = Family("s2", ("2nd_",), 1)
THIRD = Family("s3", ("3rd_",), 2)
SQUARE_3X3 = Family("s3x3", ("SQUARE3x3_", "EDGE3x3_"), 1)
SQUARE_5X5 = Family("s5x5", ("SQUARE5x5_", "EDGE5x5_"), 2)


@dataclasses.dataclass(frozen=True)
class Block:
    """One histogram: a sum of normalised counts.

    Attributes:
        family: The filters.
        step: Quantisation step in units of the filters' divisor.
        extremes: If `True`, the smallest values are counted, and the largest ones
            negated. Tuples then share a bin with those read backwards, else with their
            negatives too.
        parts: `(direction, maps)`: where neighbours are (`"horizontal"`, `"vertical"`
            or `"channels"`), and the maps whose counts are added before they are
            divided by the number of tuples.
    """

    family: Family
    step: float
    extremes: bool
    parts: tuple[tuple[str, tuple[Map, ...]], ...]


@dataclasses.dataclass(frozen=True)
class Submodel:
    """Blocks whose features follow each other."""

    name: str
    blocks: tuple[Block, ...]


# What is counted along rows, and along columns if that differs. "R+L" is the smallest
# and the largest of two directions.
_EIGHT_DIRECTIONS = {
    "minmax22h": ("R+L", "U+D"),
    "minmax24": ("R+U R+D L+U L+D",),
    "minmax34h": ("L+U+R R+D+L", "U+R+D D+L+U"),
    "minmax34": ("R+U+RU R+D+RD L+U+LU L+D+LD",),
    "minmax41": ("R+L+U+D",),
    "minmax48h": (
        "R+U+RU+LU L+D+LD+RD R+D+RD+LD L+U+LU+RU",
        "R+D+RD+RU L+U+LU+LD R+U+RU+RD L+D+LD+LU",
    ),
    "minmax54": ("R+U+RU+LU+RD R+D+RD+RU+LD L+D+LD+RD+LU L+U+LU+LD+RU",),
    "spam14h": ("R", "U"),
}
_FOUR_AXES = {
    "minmax21": ("H+V",),
    "minmax24h": ("H+M H+D", "V+M V+D"),
    "minmax32": ("H+V+M H+V+D",),
    "minmax41": ("H+V+D+M",),
    "spam12h": ("H", "V"),
}
_EDGES_3X3 = {
    "minmax22h": ("U+D", "L+R"),
    "minmax24": ("U+L D+R U+R D+L",),
    "minmax41": ("U+D+L+R",),
    "spam11": ("KB",),
    "spam14h": ("U D", "L R"),
}
_EDGES_5X5 = {**_EDGES_3X3, "spam11": ("KV",)}

_TABLES = {
    FIRST: _EIGHT_DIRECTIONS,
    SECOND: _FOUR_AXES,
    THIRD: _EIGHT_DIRECTIONS,
    SQUARE_3X3: _EDGES_3X3,
    SQUARE_5X5: _EDGES_5X5,
}


def _maps(text: str) -> tuple[Map, ...]:
    """`"R+L U"`: the extremes of two directions, and the map of one."""
    return tuple(frozenset(names.split("+")) for names in text.split())


def _spatial_block(family: Family, step: float, kind: str) -> Block:
    """The block called `kind`, of which one in "v" is one in "h" on its side."""
    table = _TABLES[family]
    if kind in table:
        along = table[kind]
    else:
        along = table[kind.removesuffix("v") + "h"][::-1]
    return Block(
        family,
        step,
        kind.startswith("minmax"),
        (("horizontal", _maps(along[0])), ("vertical", _maps(along[-1]))),
    )


def _spatial_submodel(family: Family, step: float, kind: str) -> Submodel:
    if kind == "spam11":  # of both squares
        name = "s35"
        blocks = [(SQUARE_3X3, "spam11"), (SQUARE_5X5, "spam11")]
    elif kind.endswith("hv"):
        name = family.name
        blocks = [(family, kind[:-1]), (family, kind[:-2] + "v")]
    else:
        name = family.name
        blocks = [(family, kind)]
    suffix = f"q{step}".replace(".", "")
    return Submodel(
        f"{name}_{kind}_{suffix}",
        tuple(_spatial_block(family, step, kind) for family, kind in blocks),
    )


_ORDER = {  # in which the published code returns the submodels
    FIRST: "minmax22h minmax22v minmax24 minmax34h minmax34v minmax41 minmax34 "
    "minmax48h minmax48v minmax54 spam14hv",
    SECOND: "minmax21 minmax41 minmax32 minmax24h minmax24v spam12hv",
    THIRD: "minmax22h minmax22v minmax34h minmax34v minmax24 minmax41 minmax34 "
    "minmax48h minmax48v minmax54 spam14hv",
    SQUARE_3X3: "minmax24 minmax22h minmax22v minmax41 spam14hv",
    SQUARE_5X5: "minmax24 minmax22h minmax22v minmax41 spam11 spam14hv",
}

SRM: tuple[Submodel, ...] = tuple(
    _spatial_submodel(family, step, kind)
    for family, kinds in _ORDER.items()
    for step in family.steps
    for kind in kinds.split()
)
"""The spatial rich model: 106 submodels, 34,671 features."""

SRM_Q1: tuple[Submodel, ...] = tuple(
    submodel for submodel in SRM if submodel.name.endswith("_q1")
)
"""Those of quantisation step 1: 39 submodels, 12,753 features."""


def _colour_submodel(family: Family, name: str) -> Submodel:
    """A submodel of colours; a name in "!" counts the maps of one direction once."""
    name, once = name.rstrip("!"), name.endswith("!")
    kind = name.removesuffix("hvc").removesuffix("c")

    def block(family):
        table = _TABLES[family]
        hv = name.endswith("hvc") or kind not in table
        along = table[f"{kind}h" if hv else kind]
        parts = [along[0]] if once else [along[0], along[-1]]
        return Block(
            family,
            1,
            kind.startswith("minmax"),
            tuple(("channels", _maps(text)) for text in parts),
        )

    if kind == "spam11":
        return Submodel(f"s35_{name}_q1", tuple(map(block, (SQUARE_3X3, SQUARE_5X5))))
    return Submodel(f"{family.name}_{name}_q1", (block(family),))


_COLOUR_ORDER = {
    FIRST: "minmax22c spam14c minmax24c minmax34hvc minmax41c! minmax34c minmax48c "
    "minmax54c",
    SECOND: "spam12c minmax21c! minmax41c! minmax32c! minmax24c",
    THIRD: "minmax22c minmax34hvc spam14c minmax24c minmax41c! minmax34c! minmax48c "
    "minmax54c!",
    SQUARE_3X3: "spam14c minmax24c! minmax22c minmax41c!",
    SQUARE_5X5: "spam14c minmax24c! minmax22c minmax41c! spam11c!",
}

COLOUR: tuple[Submodel, ...] = tuple(
    _colour_submodel(family, name)
    for family, names in _COLOUR_ORDER.items()
    for name in names.split()
)
"""The colour rich model at quantisation step 1: 30 submodels, 5,404 features."""
