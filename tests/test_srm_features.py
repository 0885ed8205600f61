"""The spatial rich model equals the published one, count for count."""

import re

import keras
import numpy as np
import pytest

from keras_forensics import SRMFeatures
from tests import make_rich_models
from tests.backend import NAME
from tests.make_rich_models import PATH, grey

STORED = dict(np.load(PATH))
numpy = keras.ops.convert_to_numpy
# JAX compiles each submodel, which takes most of the time. There it is a few here, and
# all in benchmarks/rich_models/equality.py.
SELECTED = [*SRMFeatures().submodels][::35] if NAME == "jax" else None


def by_submodel(array):
    """A stored row of features as `{submodel: features}`."""
    names = STORED["srm"].tolist()
    lengths = [325 if "minmax" in name else 338 for name in names]
    return dict(zip(names, np.split(array, np.cumsum(lengths)[:-1]), strict=True))


def normalised(counts):
    """Divided by the number of tuples: those of smallest and largest values count 1."""
    if len(counts) == 325:
        return 2 * counts / counts.sum()
    return np.concatenate([half / half.sum() for half in np.split(counts, 2)])


@pytest.mark.parametrize(
    ("image", "selected"),
    [
        ("odd", SELECTED),
        ("even", ("s2_spam12hv_q15",)),
    ],
)
def test_every_count_is_the_published_one(image, selected):
    layer = SRMFeatures(selected=selected)
    pixels = grey(STORED[image])[None, ..., None]
    features = numpy(layer(pixels))[0].astype("float64")
    rows = by_submodel(STORED[f"{image}/srm/hor"])
    columns = by_submodel(STORED[f"{image}/srm/ver"])
    for name, where in layer.submodels.items():
        expected = normalised(rows[name]) + normalised(columns[name])
        one_count = 1 / max(rows[name].sum(), columns[name].sum())
        np.testing.assert_allclose(
            features[where], expected, rtol=0, atol=0.02 * one_count, err_msg=name
        )


def test_names_sizes_and_order_are_the_published_ones():
    full = SRMFeatures().submodels
    assert set(full) == set(STORED["srm"]) and len(full) == 106
    assert list(full)[:3] == ["s1_minmax22h_q1", "s1_minmax22v_q1", "s1_minmax24_q1"]
    assert list(full)[-2:] == ["s35_spam11_q2", "s5x5_spam14hv_q2"]
    assert next(reversed(full.values())).stop == 34671
    q1 = SRMFeatures("q1").submodels
    assert len(q1) == 39
    assert list(q1) == [name for name in full if name.endswith("_q1")]
    assert next(reversed(q1.values())).stop == 12753


def test_selected_submodels_are_those_of_the_whole_model_in_its_order():
    pixels = grey(STORED["even"])[None, ..., None]
    selected = SRMFeatures(selected=("s2_spam12hv_q15", "s1_minmax41_q2"))
    assert list(selected.submodels) == ["s1_minmax41_q2", "s2_spam12hv_q15"]
    features = numpy(selected(pixels))[0]
    for name, where in selected.submodels.items():
        alone = numpy(SRMFeatures(selected=(name,))(pixels))[0]
        np.testing.assert_array_equal(features[where], alone)


def test_channels_are_images_of_their_own():
    image = STORED["odd"]
    layer = SRMFeatures(selected=("s2_spam12hv_q15",))
    alone = [numpy(layer(image[None, ..., [channel]])) for channel in range(3)]
    together = SRMFeatures(selected=layer.selected)(image[None])
    np.testing.assert_array_equal(numpy(together), np.concatenate(alone, axis=1))


def test_smallest_image_has_one_tuple_and_smaller_ones_are_refused():
    layer = SRMFeatures(selected=("s3_minmax41_q1",))
    features = numpy(layer(np.zeros((1, 8, 8, 1), "uint8")))
    assert features.sum() == pytest.approx(4)
    with pytest.raises(ValueError, match=r"at least 8 pixels along axis 1. Received: "):
        SRMFeatures(selected=layer.selected)(np.zeros((1, 7, 8, 1), "uint8"))
    assert SRMFeatures(selected=("s1_minmax41_q1",)).smallest_side == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "half"}, "`model` must be one of ('full', 'q1')"),
        (
            {"selected": ("s1_spam11_q1",)},
            "`selected` must be None or a tuple of names",
        ),
        ({"selected": "s1_minmax41_q1"}, "`selected` must be None or a tuple of names"),
        ({"selected": ()}, "`selected` must be None or a tuple of names"),
        ({"model": "q1", "selected": ("s1_minmax41_q2",)}, "`selected` must be None"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message) + ".*Received: "):
        SRMFeatures(**arguments)


def test_features_equal_those_of_sealwatch(sealwatch):
    pixels = grey(STORED["odd"])
    expected = sealwatch.srm.extract(pixels)
    layer = SRMFeatures(selected=SELECTED)
    features = numpy(layer(pixels[None, ..., None]))[0]
    for name, where in layer.submodels.items():
        np.testing.assert_allclose(
            features[where], expected[name], 0, 5e-7, err_msg=name
        )


def test_stored_counts_are_those_of_sealwatch(sealwatch):
    computed = make_rich_models.compute()
    assert set(STORED) == set(computed)
    for name, array in computed.items():
        np.testing.assert_array_equal(STORED[name], array, err_msg=name)
    assert PATH.stat().st_size < 300_000
