"""Features of the submodels in `keras_forensics.rich_models`."""

import functools

import keras
import numpy as np
from keras import ops

from keras_forensics.ops.cooccurrence import (
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
            width)`; more than one colour only where all blocks count along channels.
        submodels: Sequence of `rich_models.Submodel`.
        order: Number of neighbours, or of colours.
        truncation: Largest multiple of the quantisation step kept apart.
        dtype: Of the features, `"float32"` or `"float64"`.

    Returns:
        Tensor of shape `(batch, features)`, the submodels one after the other.
    """
    blocks = [block for submodel in submodels for block in submodel.blocks]
    features: dict = {}
    for (family, steps), entries in _group(blocks).items():
        used = {
            name
            for _, parts, _ in entries
            for _, maps in parts
            for name in set().union(*maps)
        }
        maps = FamilyMaps(images, family, used, steps, order, truncation)
        features |= _family_features(maps, entries, dtype)
    return ops.concatenate([features[block] for block in blocks], axis=-1)


def count_features(submodel, order: int, truncation: int) -> int:
    """The number of features of a submodel."""
    return sum(
        len(_bins(block.extremes, order, truncation)) for block in submodel.blocks
    )


def smallest_side(submodels, order: int) -> int:
    """The fewest pixels a side that every submodel finds a tuple in."""
    blocks = [block for submodel in submodels for block in submodel.blocks]
    return max(
        2 * block.family.border + (1 if direction == "channels" else order)
        for block in blocks
        for direction, _ in block.parts
    )


def _bins(extremes: bool, order: int, truncation: int) -> np.ndarray:
    symmetry = "direction" if extremes else "sign_and_direction"
    return symmetric_bins(order, 2 * truncation + 1, symmetry)


def _group(blocks) -> dict:
    """Blocks by family and steps: those that differ in the step are counted at once.

    Returns:
        `{(family, steps): [(extremes, parts, blocks of all steps), ...]}`.
    """
    by_step: dict = {}
    for block in blocks:
        key = (block.family, block.extremes, block.parts)
        by_step.setdefault(key, {})[block.step] = block
    groups: dict = {}
    for (family, extremes, parts), one_a_step in by_step.items():
        entries = groups.setdefault((family, tuple(one_a_step)), [])
        entries.append((extremes, parts, tuple(one_a_step.values())))
    return groups


def _family_features(maps, entries, dtype) -> dict:
    """Features `(batch, merged bins)` by block."""
    features: dict = {}
    for extremes in (False, True):
        chosen = [entry for entry in entries if entry[0] == extremes]
        parts = [part for _, parts, _ in chosen for part in parts]
        if not parts:
            continue
        bins = _bins(extremes, maps.order, maps.truncation)
        counts = ops.stack(
            [maps.count(direction, which, extremes) for direction, which in parts]
        )
        tuples = ops.stack(
            [
                ops.cast(len(which) * maps.count_tuples(direction), dtype)
                for direction, which in parts
            ]
        )
        merged = ops.cast(merge_bins(counts, bins), dtype) / tuples[:, None, None]
        merged = ops.reshape(merged, (len(parts), len(maps.steps), -1, len(bins)))
        position = 0
        for _, parts, blocks in chosen:
            total = merged[position]
            for other in range(position + 1, position + len(parts)):
                total = total + merged[other]
            position += len(parts)
            features |= {block: total[index] for index, block in enumerate(blocks)}
    return features


class FamilyMaps:
    """Quantised residuals of one family, and counts of their tuples.

    Args:
        images: As in `rich_features`.
        family: A `rich_models.Family`.
        used: Names of the filters that are needed.
        steps: Quantisation steps, in units of the filters' divisor.
        order: Number of neighbours.
        truncation: Largest multiple kept apart.
    """

    def __init__(self, images, family, used, steps, order, truncation):
        self.steps, self.order, self.truncation = steps, order, truncation
        self.filters = {
            name: entry for name, entry in family.filters.items() if name in used
        }
        self.base = 2 * truncation + 1
        batch, self.colours, height, width = _sizes(images)
        self.batch = batch
        self.height = height - 2 * family.border
        self.width = width - 2 * family.border
        self._residuals = self._convolve(images, family.border)
        self._kept: dict = {}

    def _once(self, method, *arguments):
        """What a method gives, computed once.

        `functools.cache` would hold the method, and so the maps, in a circle, which
        stays in memory until the garbage collector comes by.
        """
        key = (method.__name__, *arguments)
        if key not in self._kept:
            self._kept[key] = method(*arguments)
        return self._kept[key]

    def _convolve(self, images, border):
        """Whole residuals `(batch, colours, height, width)` by filter."""
        taps = np.array([entry.taps for entry in self.filters.values()], "float32")
        cut = taps.shape[1] // 2 - border
        kernel = np.moveaxis(taps[:, cut : 5 - cut, cut : 5 - cut], 0, -1)[:, :, None]
        _, _, height, width = _sizes(images)
        residuals = ops.conv(
            ops.reshape(images, (-1, height, width, 1)),
            ops.convert_to_tensor(kernel),
            padding="valid",
            data_format="channels_last",
        )
        shape = (-1, self.colours, self.height, self.width)
        return {
            name: ops.reshape(residuals[..., index], shape)
            for index, name in enumerate(self.filters)
        }

    def _arrange(self, direction):
        """Levels `(neighbours, signs, steps, batch, others)` by filter."""
        axes, neighbours = {
            "vertical": ((2, 0, 1, 3), self.height),
            "horizontal": ((3, 0, 1, 2), self.width),
            "channels": ((1, 0, 2, 3), self.colours),
        }[direction]
        # Stacked, maps lie one after the other in memory on every backend.
        residuals = ops.stack(
            [
                ops.reshape(ops.transpose(each, axes), (neighbours, -1))
                for each in self._residuals.values()
            ]
        )
        residuals = ops.reshape(
            residuals, (len(self.filters), neighbours, 1, 1, self.batch, -1)
        )
        divisor = next(iter(self.filters.values())).divisor
        steps = tuple(divisor * step for step in self.steps)
        levels = _quantize_each(residuals, steps, self.truncation)
        return {name: levels[index] for index, name in enumerate(self.filters)}

    def count(self, direction, maps, extremes):
        """Counts of maps together, int32 of shape `(steps * batch, bins)`."""
        return functools.reduce(
            ops.add,
            (self._once(self._count_map, direction, each, extremes) for each in maps),
        )

    def _count_map(self, direction, which, extremes):
        levels = self._once(self._arrange, direction)
        signs = (0, 1) if extremes else (0,)
        chosen = [levels[name] for name in self.filters if name in which]
        if not extremes:
            chosen = [each[:, :1] for each in chosen]
        # With both signs of the residuals, the smallest are the extremes.
        smallest = functools.reduce(ops.minimum, chosen)
        codes = tuple_codes(
            smallest,
            {0: 1},
            self.order,
            self.base,
            self._once(self._number, direction, len(signs)),
        )
        return count_codes(codes, len(self.steps) * self.batch, self.order, self.base)

    def _number(self, direction, signs):
        """Which histogram positions `(1, signs, steps, batch, others)` belong to."""
        numbers = ops.arange(len(self.steps) * self.batch, dtype="int32")
        numbers = ops.reshape(numbers, (1, 1, len(self.steps), self.batch, 1))
        levels = self._once(self._arrange, direction)
        others = _sizes(next(iter(levels.values())))[-1]
        return ops.tile(numbers, (1, signs, 1, 1, others))

    def count_tuples(self, direction):
        """The number of tuples in one map, an integer or scalar tensor."""
        return {
            "vertical": (self.height - self.order + 1) * self.width,
            "horizontal": (self.width - self.order + 1) * self.height,
            "channels": self.height * self.width,
        }[direction]


def _sizes(images) -> tuple:
    """Sizes that are known as integers, the others as scalar tensors."""
    sizes = ops.shape(images)
    return tuple(
        sizes[axis] if size is None else size for axis, size in enumerate(images.shape)
    )


def _quantize_each(residuals, steps: tuple[float, ...], truncation: int):
    """Quantises residuals of filters, and the negated ones, with every step.

    Args:
        residuals: Tensor of shape `(filters, neighbours, 1, 1, batch, others)`.
        steps: Quantisation steps.
        truncation: Largest multiple kept apart.

    Returns:
        uint8 tensor of shape `(filters, neighbours, 2, steps, batch, others)`.
    """
    quantize_both = _quantize_both(steps, truncation)
    if keras.backend.backend() != "jax":
        return quantize_both(None, residuals)[1]
    # XLA would quantise again for each use of a map, unless maps come out of a loop.
    shape = (residuals.shape[1], 2, len(steps), *residuals.shape[4:])
    _, levels = ops.scan(quantize_both, ops.zeros(shape, "uint8"), residuals)
    return levels


@functools.cache  # JAX compiles the loop once for one function
def _quantize_both(steps, truncation):
    def quantize_both(_, residuals):
        columns = ops.convert_to_tensor(np.array(steps, "float32")[:, None, None])
        levels = quantize(residuals, columns, truncation)
        levels = ops.concatenate([levels, 2 * truncation - levels], axis=-4)
        return levels, levels

    return quantize_both
