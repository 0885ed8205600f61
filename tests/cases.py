"""One row for every layer, for the tests that all layers share."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_forensics as kf

IMAGES = (2, 12, 14, 3)
MAPS = (2, 5, 6, 8)


def grey_levels(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.integers(0, 256, shape)


def features(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.uniform(-1, 1, shape)


@dataclasses.dataclass
class Case:
    """A layer in a usual configuration, and with every argument changed.

    Attributes:
        layer_class: The class.
        arguments: Those of the usual configuration.
        changed: All arguments, each with another value than its default.
        unchanged: Arguments that cannot be changed with the rest.
        shape: Of the input, or a tuple of the shapes of several.
        draw: Draws an input of a shape.
        weights: How many there are, trainable and not.
        children: The argument that holds layers, and what makes them for a
            `dtype` and a `data_format`.
        pools: Whether it averages, which Keras does in float32 on JAX and torch.
        slow_to_compile: Whether torch.compile takes half a minute, and compiles its
            parts in other rows.
        has_gradient: Whether its outputs change with its inputs little by little;
            counts do not.
        many_operations: Whether there are a hundred, each of which JAX compiles.
        straight_through: Whether gradients are not those of the function.
        seed_generators: How many there are.
        takes_one_image: Whether one image without a batch will do.
    """

    layer_class: type
    arguments: dict[str, Any]
    changed: dict[str, Any]
    unchanged: tuple[str, ...] = ()
    shape: tuple = IMAGES
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = grey_levels
    weights: tuple[int, int] = (0, 0)
    children: tuple[str, Callable[..., Any]] | None = None
    pools: bool = False
    slow_to_compile: bool = False
    has_gradient: bool = True
    many_operations: bool = False
    straight_through: bool = False
    seed_generators: int = 0
    takes_one_image: bool = False

    def layer(self, **kwargs):
        arguments = dict(self.arguments)
        if self.children is not None:
            name, make = self.children
            arguments[name] = make(kwargs.get("dtype"), kwargs.get("data_format"))
        return self.layer_class(**{**arguments, **kwargs})

    def inputs(self, dtype="float32", shape=None):
        """What the layer takes, drawn."""
        random = np.random.default_rng(0)
        shape = shape or self.shape
        if isinstance(shape[0], tuple):
            return [self.draw(random, part).astype(dtype) for part in shape]
        return self.draw(random, shape).astype(dtype)

    def __str__(self):
        return self.layer_class.__name__


def residual_layers(dtype=None, data_format=None):
    """The front of a stream, as its configuration holds it."""
    arguments = {
        "strides": 2,
        "padding": "reflect",
        "dtype": dtype,
        "data_format": data_format,
    }
    layers = [kf.SRMLayerV3(**arguments), kf.BayarConv2D(2, 5, **arguments)]
    return [keras.saving.serialize_keras_object(layer) for layer in layers]


CASES = [
    Case(
        kf.SRMFilterBank,
        {"bank": "srm30"},
        {
            "bank": [[[1, -2, 1]], [[2, -4, 2]]],
            "threshold": 2.5,
            "padding": "symmetric",
            "strides": (1, 2),
            "value_range": (-1, 1),
            "sum_channels": True,
            "divisors": [2, 5],
            "data_format": "channels_first",
        },
        weights=(0, 1),
    ),
    Case(
        kf.SRMLayerV3,
        {},
        {
            "threshold": None,
            "padding": "valid",
            "strides": 2,
            "value_range": (0.0, 1.0),
            "data_format": "channels_first",
        },
        weights=(0, 1),
    ),
    Case(
        kf.BayarConv2D,
        {"filters": 4, "kernel_size": 5},
        {
            "filters": 6,
            "kernel_size": (3, 5),
            "padding": "symmetric",
            "data_format": "channels_first",
            "dilation_rate": 2,
            "groups": 3,
            "activation": "relu",
            "use_bias": True,
            "kernel_initializer": "he_normal",
            "bias_initializer": "ones",
            "kernel_regularizer": "l2",
            "bias_regularizer": "l1",
            "activity_regularizer": "l1",
            "bias_constraint": "non_neg",
            "normalization": "divide",
        },
        unchanged=("strides",),  # not together with dilation
        weights=(1, 0),
    ),
    Case(
        kf.ForensicStream,
        {"residual_layers": residual_layers(), "gate_dim": 8, "features": (4, 6)},
        {
            "residual_layers": residual_layers("float32", "channels_first")[1:],
            "gate_dim": 5,
            "features": (3,),
            "threshold": 2.0,
            "value_range": (0, 1),
            "data_format": "channels_first",
        },
        weights=(1 + 3 * 2 + 2 + 2, 1 + 3 * 2),
        children=("residual_layers", residual_layers),
        pools=True,
        slow_to_compile=True,
    ),
    Case(
        kf.ForensicStreamV3,
        {"gate_dim": 8, "bayar_filters": 2, "features": (4, 6)},
        {
            "gate_dim": 5,
            "bayar_filters": 1,
            "features": (3,),
            "strides": 1,
            "threshold": 2.0,
            "padding": "valid",
            "value_range": (0, 1),
            "data_format": "channels_first",
        },
        weights=(1 + 3 * 2 + 2 + 2, 1 + 3 * 2),
        pools=True,
        slow_to_compile=True,
    ),
    Case(kf.GatedFusion, {}, {}, shape=((2, 6), (2, 6)), draw=features),
    Case(
        kf.Cooccurrence2D,
        {"order": 2, "quantization_step": 20.0},
        {
            "order": 3,
            "truncation": 1,
            "quantization_step": 0.5,
            "directions": ("diagonal", "minor_diagonal"),
            "symmetry": "sign",
            "pool_maps": False,
            "soft": True,
            "data_format": "channels_first",
        },
        has_gradient=False,
    ),
    Case(
        kf.Cooccurrence2D,
        {"order": 2, "quantization_step": 50.0, "soft": True},
        {"soft": True, "symmetry": "direction"},
        slow_to_compile=True,
        unchanged=(
            "order",
            "truncation",
            "quantization_step",
            "directions",
            "pool_maps",
            "data_format",
        ),
    ),
    Case(
        kf.SPAMFeatures,
        {"selected": ("diagonal",)},
        {
            "truncation": 2,
            "selected": ("straight",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        slow_to_compile=True,
        has_gradient=False,
    ),
    Case(
        kf.SRMFeatures,
        {"selected": ("s1_minmax22h_q2",)},
        {
            "model": "q1",
            "selected": ("s2_spam12hv_q1",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        slow_to_compile=True,
        has_gradient=False,
    ),
    Case(
        kf.ColorRichFeatures,
        {"selected": ("s5x5_minmax41c_q1",)},
        {
            "selected": ("s2_minmax24c_q1",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        slow_to_compile=True,
        has_gradient=False,
    ),
    Case(
        kf.DCTRFeatures,
        {"selected": ("dct_00", "dct_31")},
        {
            "quality": 40,
            "selected": ("dct_07",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        shape=(2, 16, 18, 3),
        slow_to_compile=True,
        has_gradient=False,
    ),
    Case(
        kf.GFRFeatures,
        {"selected": ("cos_0.5_00", "sin_1.25_07")},
        {
            "quality": 95,
            "quantization_steps": (1, 2, 3, 4),
            "selected": ("cos_0.75_16",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        shape=(2, 16, 18, 3),
        slow_to_compile=True,
        has_gradient=False,
    ),
    Case(
        kf.ChannelAttention,
        {"reduction_ratio": 2},
        {"reduction_ratio": 3, "data_format": "channels_first"},
        shape=MAPS,
        draw=features,
        weights=(4, 0),
        pools=True,
    ),
    Case(
        kf.BlockDCT2D,
        {},
        {"offset": (2, 3), "order": "square", "data_format": "channels_first"},
        unchanged=("inverse",),  # has no offset
    ),
    Case(
        kf.ErrorLevel,
        {"qualities": (70, 90)},
        {
            "qualities": (50,),
            "subsampling": "4:2:0",
            "value_range": (0, 1),
            "data_format": "channels_first",
        },
        many_operations=True,
        slow_to_compile=True,
    ),
    Case(
        kf.JPEGCompression,
        {"quality": 70},
        {
            "quality": 30,
            "subsampling": "4:4:4",
            "value_range": (0, 1),
            "data_format": "channels_first",
        },
        many_operations=True,
        slow_to_compile=True,
        straight_through=True,
    ),
    Case(
        kf.JPEGGrid,
        {},
        {"threshold": 2.0, "value_range": (0, 1), "data_format": "channels_first"},
        shape=(2, 16, 18, 3),
        pools=True,
        many_operations=True,
        slow_to_compile=True,
    ),
    Case(
        kf.RandomJPEGCompression,
        {"quality": 70, "grid_shift": False},
        {
            "quality": (10, 20),
            "subsampling": ("4:4:4", "4:2:0"),
            "probability": 0.5,
            "grid_shift": False,
            "value_range": (0, 1),
            "seed": 7,
            "data_format": "channels_first",
        },
        many_operations=True,
        slow_to_compile=True,
        straight_through=True,
        seed_generators=1,
        takes_one_image=True,
    ),
    Case(
        kf.MedianResidual,
        {"window_size": (3, 1)},
        {
            "window_size": (1, 3),
            "median": "mean",
            "threshold": 20.0,
            "padding": "symmetric",
            "value_range": (0, 1),
            "data_format": "channels_first",
        },
    ),
    Case(
        kf.NPRResidual,
        {},
        {
            "factor": 3,
            "threshold": 20.0,
            "value_range": (0, 1),
            "data_format": "channels_first",
        },
    ),
    Case(
        kf.HaarPyramid2D,
        {},
        {
            "levels": 2,
            "orthonormal": True,
            "inverse": True,
            "data_format": "channels_first",
        },
        many_operations=True,
        slow_to_compile=True,
        straight_through=True,
    ),
    Case(
        kf.SpectralProfile,
        {"size": 8},
        {
            "size": 16,
            "output": "peaks",
            "bins": 4,
            "periods": (2,),
            "value_range": (0, 1),
            "data_format": "channels_first",
        },
        shape=(2, 16, 18, 3),
        many_operations=True,
        slow_to_compile=True,
    ),
    Case(
        kf.TextureContrast,
        {"patch_size": 3, "mosaic_side": 2},
        {"patch_size": 2, "mosaic_side": 3, "data_format": "channels_first"},
        many_operations=True,
        slow_to_compile=True,
    ),
    Case(
        kf.StatisticsPooling2D,
        {},
        {"epsilon": 0.25, "data_format": "channels_first"},
        shape=MAPS,
        draw=features,
        pools=True,
    ),
]
FOUR_AXES_CASES = [case for case in CASES if len(case.shape) == 4]
BATCH_CASES = [case for case in FOUR_AXES_CASES if not case.takes_one_image]
IMAGE_CASES = [case for case in CASES if case.shape == IMAGES]
