"""The colour rich model equals the published one, count for count."""

import keras
import numpy as np
import pytest

from keras_forensics import ColorRichFeatures
from tests.backend import NAME
from tests.make_rich_models import PATH

STORED = dict(np.load(PATH))
numpy = keras.ops.convert_to_numpy
# JAX compiles each submodel, which takes most of the time: there it is a few.
SELECTED = [*ColorRichFeatures().submodels][4::15] if NAME == "jax" else None


@pytest.mark.parametrize(
    ("image", "selected"),
    [("odd", SELECTED), ("even", ("s35_spam11c_q1",))],
)
def test_every_count_is_the_published_one(image, selected):
    layer = ColorRichFeatures(selected=selected)
    features = numpy(layer(STORED[image][None]))[0].astype("float64")
    names = STORED["colours"].tolist()
    lengths = [
        200 if "spam11" in name else 100 if "spam" in name else 196 for name in names
    ]
    counts = np.split(STORED[f"{image}/colours"], np.cumsum(lengths)[:-1])
    whole_counts = dict(zip(names, counts, strict=True))
    for name, where in layer.submodels.items():
        whole, actual = whole_counts[name], features[where]
        # One after the other, both squares have their own number of pixels.
        parts = 2 if "spam11" in name else 1
        for ours, theirs in zip(
            np.split(actual, parts), np.split(whole, parts), strict=True
        ):
            # The sum is 1 for each direction, or 2 with both extremes.
            total = ours.sum()
            assert total == pytest.approx(round(total), abs=1e-5)
            expected = theirs * (round(total) / theirs.sum())
            tolerance = 0.02 / theirs.sum()
            np.testing.assert_allclose(ours, expected, 0, tolerance, err_msg=name)


def test_names_sizes_and_order_are_the_published_ones():
    submodels = ColorRichFeatures().submodels
    assert len(submodels) == 30 and set(submodels) == set(STORED["colours"])
    assert list(submodels)[:2] == ["s1_minmax22c_q1", "s1_spam14c_q1"]
    assert list(submodels)[-1] == "s35_spam11c_q1"
    assert next(reversed(submodels.values())).stop == 5404


def test_other_numbers_of_channels_are_refused():
    with pytest.raises(ValueError, match=r"three colours. Received: input_shape="):
        ColorRichFeatures()(np.zeros((1, 8, 8, 1), "uint8"))


def test_features_equal_those_of_sealwatch(sealwatch):
    expected = sealwatch.crm.extract(STORED["odd"], Tc=3)
    assert list(ColorRichFeatures().submodels) == list(expected)
    layer = ColorRichFeatures(selected=SELECTED)
    features = numpy(layer(STORED["odd"][None]))[0]
    published = np.concatenate([expected[name] for name in layer.submodels])
    np.testing.assert_allclose(features, published, 0, 5e-7)
