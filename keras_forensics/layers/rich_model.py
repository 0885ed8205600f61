"""What the layers of rich models in grey levels have in common."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.layers.image_layer import GreyLevelLayer
from keras_forensics.ops.cooccurrence import EXACT_COUNTS_COMPILE
from keras_forensics.ops.grey_levels import to_grey_levels
from keras_forensics.ops.precision import widest_dtype

PIXELS_AT_ONCE = 2**18  # 512x512: the maps of more leave the cache


class RichModel(GreyLevelLayer):
    """Base of layers that compute submodels of grey levels, whole ones by default.

    Subclasses call `_choose` in their constructor, set `smallest_side`, and define
    `_features` of images `(batch, colours, height, width)`.

    Args:
        selected: Names of the submodels to compute, or `None` for all.
        value_range: `(low, high)`, the input values of black and white.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: The other arguments of `keras.layers.Layer`.
    """

    colours = 1  # that one set of features is of
    smallest_side = 4

    def __init__(self, selected, value_range, data_format, **kwargs):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.selected = selected
        self.supports_jit = EXACT_COUNTS_COMPILE

    def _choose(self, lengths: dict[str, int]) -> None:
        """Keeps the names of the submodels to compute, and where each one is."""
        chosen = _check_selected(self.selected, tuple(lengths))
        if self.selected is not None:
            self.selected = chosen
        self.submodels: dict[str, slice] = {}
        end = 0
        for name in chosen:
            self.submodels[name] = slice(end, end + lengths[name])
            end += lengths[name]
        self.feature_count = end

    def call(self, inputs):
        grey = self._grey_levels(inputs)
        if self.data_format == "channels_last":
            grey = ops.transpose(grey, (0, 3, 1, 2))
        _, channels, height, width = ops.shape(grey)
        images = ops.reshape(grey, (-1, self.colours, height, width))
        features = ops.reshape(
            self._features_in_parts(images),
            (-1, channels // self.colours * self.feature_count),
        )
        return ops.cast(features, self.compute_dtype)

    def _features_in_parts(self, images):
        """Features of as many images at once as stay in a processor's cache."""
        count, _, height, width = images.shape
        if keras.backend.backend() != "torch":  # others would compile every part
            return self._features(images)
        at_once = max(1, PIXELS_AT_ONCE // (height * width))
        parts = [
            self._features(images[start : start + at_once])
            for start in range(0, count, at_once)
        ]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts)

    def _grey_levels(self, inputs):
        return ops.cast(ops.round(self.to_grey_levels(inputs)), "float32")

    def compute_output_shape(self, input_shape):
        channels = self.count_channels(input_shape)
        for axis in self.spatial_axes:
            arguments.check_side(input_shape, axis, self.smallest_side)
        return (input_shape[0], channels // self.colours * self.feature_count)

    def get_config(self):
        return {**super().get_config(), "selected": self.selected}


class GridRichModel(RichModel):
    """Base of layers that take unrounded pixels, and count by place in the JPEG grid.

    Args:
        selected: As in `RichModel`.
        value_range: The same.
        data_format: The same.
        **kwargs: The other arguments of `keras.layers.Layer`.
    """

    smallest_side = 15  # every place in the grid occurs

    def _grey_levels(self, inputs):
        return to_grey_levels(inputs, self.value_range, widest_dtype())


def _check_selected(selected, names) -> tuple[str, ...]:
    """Names in the published order, each once."""
    if selected is None:
        return names
    unknown = (
        selected
        if isinstance(selected, str) or not isinstance(selected, (list, tuple))
        else [name for name in selected if name not in names]
    )
    if unknown or not selected:
        raise ValueError(
            "`selected` must be None or a tuple of names of submodels, such as "
            f"{names[:2]}. Received: selected={selected!r}"
        )
    return tuple(name for name in names if name in selected)
