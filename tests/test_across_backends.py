"""Every backend meets one stored set of the oracle's numbers, in every policy."""

import numpy as np
import pytest

import keras_forensics as kf
from tests import make_expected
from tests.backend import float64
from tests.tolerances import TOLERANCES, assert_close

STORED = dict(np.load(make_expected.PATH))

# Case: input, layer.
CASES = {
    "srm30": (
        "images",
        lambda **k: kf.SRMFilterBank("srm30", padding="symmetric", **k),
    ),
    "v3": ("images", lambda **k: kf.SRMLayerV3(**k)),
    "v3_scaled": ("scaled", lambda **k: kf.SRMLayerV3(value_range=(-1, 1), **k)),
    "rgbn": (
        "images",
        lambda **k: kf.SRMFilterBank("rgbn", None, "same", 2, sum_channels=True, **k),
    ),
    "bayar": ("images", lambda **k: kf.BayarConv2D(4, 5, **k)),
    "bayar_divide": (
        "images",
        lambda **k: kf.BayarConv2D(
            6,
            3,
            padding="reflect",
            dilation_rate=2,
            groups=3,
            normalization="divide",
            **k,
        ),
    ),
    "stream": ("images", lambda **k: kf.ForensicStreamV3(8, 2, (4, 6), **k)),
    "attention": ("features", lambda **k: kf.ChannelAttention(2, **k)),
    "statistics": ("features", lambda **k: kf.StatisticsPooling2D(**k)),
    "fusion": (("features", "gate"), lambda **k: kf.GatedFusion(**k)),
}


def _weights(case):
    number = sum(name.startswith(f"{case}/") for name in STORED)
    return [STORED[f"{case}/{index}"] for index in range(number)]


def _free_variables(layer):
    """The variables of a layer in the order of the data's way, fixed filters aside."""
    if isinstance(layer, kf.SRMFilterBank):
        return []
    if isinstance(layer, kf.ForensicStreamV3):
        parts = [layer.bayar, *layer.feature_layers, layer.gate]
        return [v for part in parts for v in part.weights]
    return layer.weights


@pytest.mark.parametrize("policy", TOLERANCES)
@pytest.mark.parametrize("case", CASES)
def test_layer_meets_the_stored_outputs(case, policy):
    names, make = CASES[case]
    if isinstance(names, tuple):
        inputs = [STORED[name] for name in names]
    else:
        inputs = STORED[names]
    with float64():
        layer = make(dtype=policy)
        layer(inputs)
        weights = _weights(case)
        for variable, weight in zip(_free_variables(layer), weights, strict=True):
            variable.assign(weight)
        if policy == "float64" and case in ("stream", "attention", "statistics"):
            policy = "float32"  # Keras's mean computes in float32 on JAX and torch
        assert_close(layer(inputs), STORED[case], policy)


def test_schedule_meets_the_stored_rates():
    schedule = kf.WarmupCosineDecay(1e-3, 20, 5, 1e-5)
    rates = [float(schedule(step)) for step in range(25)]
    assert_close(np.array(rates), STORED["schedule"])


def test_stored_numbers_are_those_of_the_oracle():
    computed = make_expected.compute()
    assert set(STORED) == set(computed)
    for name, array in computed.items():
        np.testing.assert_allclose(STORED[name], array, rtol=1e-12, atol=1e-12)
    assert make_expected.PATH.stat().st_size < 200_000
