"""Features of the submodels in `keras_forensics.rich_models`."""

import functools

import keras
import numpy as np
from keras import ops

from keras_forensics import rich_models
from keras_forensics.ops.cooccurrence import (
    code_spacing,
    count_codes,
    merge_bins,
    quantize,
    symmetric_bins,
    tuple_codes,
)


def rich_features(images, submodels, order: int, truncation: int, dtype="float32"):
    """Computes submodels of a rich model.

    Args:
        images: Float tensor of whole grey levels, shape `(batch, colours, height,
            width)`. More than one colour only if all blocks count along colours.
        submodels: Sequence of `rich_models.Submodel`.
        order: Number of neighbours, or of colours.
        truncation: Largest multiple of the quantisation step kept apart.
        dtype: Of the features, `"float32"` or `"float64"`.

    Returns:
        Tensor of shape `(batch, features)`, the submodels one after the other.
    """
    blocks = [block for submodel in submodels for block in submodel.blocks]
    features = {}
    for (family, steps), group in _group(blocks).items():
        features |= _family_features(
            images, family, steps, group, order, truncation, dtype
        )
    return ops.concatenate([features[block] for block in blocks], axis=-1)


def count_features(submodel: rich_models.Submodel, order: int, truncation: int) -> int:
    """The number of features of a submodel."""
    return sum(
        len(_bins(block.extremes, order, truncation)) for block in submodel.blocks
    )


def _bins(extremes: bool, order: int, truncation: int) -> np.ndarray:
    symmetry = "direction" if extremes else "sign_and_direction"
    return symmetric_bins(order, 2 * truncation + 1, symmetry)


def _group(blocks) -> dict:
    """Blocks by family and steps: what differs in the step only is counted at once."""
    steps: dict = {}
    for block in blocks:
        key = (block.family, block.extremes, block.parts)
        steps.setdefault(key, {})[block.step] = block
    groups: dict = {}
    for (family, extremes, parts), by_step in steps.items():
        groups.setdefault((family, tuple(by_step)), []).append(
            (extremes, parts, by_step)
        )
    return groups


def _family_features(images, family, steps, group, order, truncation, dtype) -> dict:
    """Features `(batch, bins)` of each block."""
    batch, colours, height, width = _sizes(images)
    base = 2 * truncation + 1
    names = [
        name
        for name in family.filters
        if any(
            name in each for _, parts, _ in group for _, maps in parts for each in maps
        )
    ]
    residuals = _residuals(images, family, names)
    height, width = height - 2 * family.border, width - 2 * family.border
    borders = np.array(steps) * family.filters[names[0]].divisor

    @functools.cache
    def levels(direction):
        """Levels by filter, each `(neighbours, steps, batch, others)`."""
        axes, shape = {
            "column": ((2, 0, 1, 3), (height, 1, batch, width)),
            "row": ((3, 0, 1, 2), (width, 1, batch, height)),
            "colour": ((1, 0, 2, 3), (colours, 1, batch, height * width)),
        }[direction]
        # Stacked, maps lie one after the other in memory on every backend.
        arranged = ops.stack(
            [
                ops.reshape(ops.transpose(residuals[..., index], axes), (shape[0], -1))
                for index in range(len(names))
            ]
        )
        arranged = ops.reshape(arranged, (len(names), *shape))
        return dict(zip(names, _levels(arranged, borders, truncation), strict=True))

    @functools.cache
    def numbers(direction):
        """Which histogram a position belongs to, `(1, steps, batch, others)`."""
        others = {"column": width, "row": height, "colour": height * width}[direction]
        number = ops.reshape(
            ops.arange(len(steps) * batch, dtype="int32"), (1, len(steps), batch, 1)
        )
        return ops.repeat(number, others, axis=-1)

    @functools.cache
    def counts(direction, which, extreme):
        """Counts of one map, `(steps * batch, bins)`."""
        chosen = [levels(direction)[name] for name in names if name in which]
        codes = tuple_codes(
            functools.reduce(extreme, chosen),
            {0: 1},
            order,
            base,
            numbers(direction),
        )
        return count_codes(codes, len(steps) * batch, order, base)

    def part_counts(direction, maps, extremes):
        total = sum(counts(direction, each, ops.minimum) for each in maps)
        if not extremes:
            return total
        largest = sum(counts(direction, each, ops.maximum) for each in maps)
        return total + ops.flip(largest, axis=-1)  # negated levels

    tuples = {
        "column": (height - order + 1) * width,
        "row": (width - order + 1) * height,
        "colour": height * width,
    }
    features = {}
    for extremes in (False, True):
        entries = [entry for entry in group if entry[0] == extremes]
        if not entries:
            continue
        bins = _bins(extremes, order, truncation)
        stacked = ops.stack(
            [
                part_counts(direction, maps, extremes)
                for _, parts, _ in entries
                for direction, maps in parts
            ]
        )
        normalisers = ops.stack(
            [
                ops.cast(len(maps) * tuples[direction], dtype)
                for _, parts, _ in entries
                for direction, maps in parts
            ]
        )
        merged = ops.cast(merge_bins(stacked, bins), dtype)
        merged = merged / normalisers[:, None, None]
        merged = ops.reshape(merged, (len(normalisers), len(steps), -1, len(bins)))
        position = 0
        for _, parts, by_step in entries:
            total = sum(merged[position + i] for i in range(len(parts)))
            position += len(parts)
            for index, block in enumerate(by_step.values()):
                features[block] = total[index]
    return features


def _sizes(images) -> tuple:
    """Sizes that are known as integers, the others as scalar tensors."""
    known, all_of_them = images.shape, ops.shape(images)
    return tuple(
        all_of_them[axis] if size is None else size for axis, size in enumerate(known)
    )


def _residuals(images, family, names):
    """Whole residuals `(batch, colours, height, width, filters)`."""
    batch, colours, height, width = _sizes(images)
    entries = [family.filters[name] for name in names]
    taps = np.array([entry.taps for entry in entries], "float32")
    cut = (taps.shape[1] - 1) // 2 - family.border
    kernel = np.moveaxis(
        taps[:, cut : taps.shape[1] - cut, cut : taps.shape[2] - cut], 0, -1
    )
    residuals = ops.conv(
        ops.reshape(images, (-1, height, width, 1)),
        ops.convert_to_tensor(kernel[:, :, None]),
        padding="valid",
        data_format="channels_last",
    )
    return ops.reshape(
        residuals,
        (
            -1,
            colours,
            height - 2 * family.border,
            width - 2 * family.border,
            len(names),
        ),
    )


def _levels(residuals, steps: np.ndarray, truncation: int):
    """Levels `(filters, neighbours, steps, batch, others)` of residuals with steps 1."""
    if keras.backend.backend() != "jax":
        levels = quantize(residuals, _column(steps), truncation)
        return [levels[index] for index in range(residuals.shape[0])]
    # XLA quantises again for each use of a map, unless the maps come out of a loop.
    quantize_next = _quantize_in_turn(tuple(steps.tolist()), truncation)
    shape = (*residuals.shape[1:2], len(steps), *residuals.shape[3:])
    _, levels = ops.scan(quantize_next, ops.zeros(shape, "uint8"), residuals)
    return [levels[index] for index in range(residuals.shape[0])]


@functools.cache  # a loop over the same function is compiled once
def _quantize_in_turn(steps: tuple[float, ...], truncation: int):
    def quantize_next(_, residuals):
        levels = quantize(residuals, _column(np.array(steps)), truncation)
        return levels, levels

    return quantize_next


def _column(steps: np.ndarray):
    return ops.convert_to_tensor(steps[:, None, None], "float32")
