"""One row for every layer, for the tests that all layers share."""

import dataclasses
from typing import Any

import numpy as np

import keras_forensics as kf

IMAGES = (2, 12, 14, 3)


@dataclasses.dataclass
class Case:
    """A layer in a usual configuration, and with every argument changed."""

    layer_class: type
    arguments: dict[str, Any]
    changed: dict[str, Any]
    unchanged: tuple[str, ...] = ()  # arguments that cannot be changed with the rest
    shape: tuple = IMAGES
    weights: tuple[int, int] = (0, 0)  # trainable, non-trainable
    has_gradient: bool = True  # counts have none

    def layer(self, **kwargs):
        return self.layer_class(**{**self.arguments, **kwargs})

    def inputs(self, dtype="float32", shape=None):
        """Grey levels for layers of images, features of size 1 for the others."""
        random = np.random.default_rng(0)
        shape = shape or self.shape
        if isinstance(shape[0], tuple):
            return [random.uniform(-1, 1, part).astype(dtype) for part in shape]
        if self.layer_class in (kf.ChannelAttention, kf.StatisticsPooling2D):
            return random.uniform(-1, 1, shape).astype(dtype)
        return random.integers(0, 256, shape).astype(dtype)

    def __str__(self):
        return self.layer_class.__name__


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
    ),
    Case(kf.GatedFusion, {}, {}, shape=((2, 6), (2, 6))),
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
        {},
        {
            "truncation": 2,
            "selected": ("diagonal",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        has_gradient=False,
    ),
    Case(
        kf.SRMFeatures,
        {"selected": ("s1_minmax22h_q2", "s3_minmax48v_q1", "s35_spam11_q15")},
        {
            "model": "q1",
            "selected": ("s2_spam12hv_q1",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        has_gradient=False,
    ),
    Case(
        kf.ColorRichFeatures,
        {"selected": ("s1_spam14c_q1", "s5x5_minmax24c_q1")},
        {
            "selected": ("s2_minmax24c_q1",),
            "value_range": (-1, 1),
            "data_format": "channels_first",
        },
        has_gradient=False,
    ),
    Case(
        kf.ChannelAttention,
        {"reduction_ratio": 2},
        {"reduction_ratio": 3, "data_format": "channels_first"},
        shape=(2, 5, 6, 8),
        weights=(4, 0),
    ),
    Case(
        kf.StatisticsPooling2D,
        {},
        {"epsilon": 0.25, "data_format": "channels_first"},
        shape=(2, 5, 6, 8),
    ),
]
FOUR_AXES_CASES = [case for case in CASES if len(case.shape) == 4]
IMAGE_CASES = [case for case in CASES if case.shape == IMAGES]
