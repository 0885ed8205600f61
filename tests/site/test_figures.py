"""Figures show what the layers do, and the captions say what the figures show."""

import numpy as np
import pytest
from PIL import Image

from docs import drawing
from docs.drawing import explained, pictures, plots, views
from docs.drawing.pictures import PICTURES
from examples.deepfake_v3.explanation.attribution import BLOCKS
from keras_forensics import SRMFilterBank, filters
from tests.site.conftest import ROOT


@pytest.mark.parametrize("bank", filters.BANKS)
def test_drawn_taps_are_those_of_the_catalogue(bank):
    drawn = plots.impulse_responses(SRMFilterBank(bank, threshold=None))
    expected = [entry.kernel for entry in filters.get(bank)]
    np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_frequency_response_is_that_of_a_difference():
    gain = plots.frequency_response(np.array([[-1.0, 1.0]]))
    frequency = np.arange(-32, 32) / 64
    expected = 2 * abs(np.sin(np.pi * frequency))
    np.testing.assert_allclose(gain, np.tile(expected, (64, 1)), atol=1e-12)


def test_every_figure_that_is_drawn_is_shown(pages):
    shown = {
        image["src"].rpartition("/")[2]
        for page in pages.values()
        for image in page.images
    }
    assert set(drawing.names()) <= shown


def inside(view, picture=pictures.splice):
    """Mean of a view where the splice is."""
    return views.VIEWS[view](picture())[pictures.tampered()].mean()


def colours(view, picture):
    return views.VIEWS[view](PICTURES[picture]()).mean((0, 1))


def eye_pasted_as_it_was():
    size = (80, 70)
    eye = Image.open(pictures.PHOTOGRAPHS / "eye.png")
    mask = Image.fromarray(255 * pictures.tampered().astype("uint8"))
    left, top = pictures.EYE_CORNER
    mask = mask.crop((left, top, left + 120, top + 105)).resize(size)
    splice = Image.fromarray(pictures.photograph())
    splice.paste(eye, pictures.EYE_CORNER, mask)
    where = Image.new("L", splice.size)
    where.paste(mask, pictures.EYE_CORNER)
    return views.srm(np.array(splice))[np.array(where) > 127].mean()


def means_of_even_and_odd(values):
    """Means over the pixels of even and odd rows and columns: four numbers."""
    return np.array([values[i::2, j::2].mean() for i in (0, 1) for j in (0, 1)])


def largest_difference(values):
    means = means_of_even_and_odd(values)
    return means.max() - means.min()


# What docs/gallery.md says, and how it is measured.
CLAIMS = {
    "the eye has 0.36": lambda: inside("srm"),
    "where the wood had 0.85": lambda: inside("srm", pictures.photograph),
    "green has 0.50": lambda: colours("srm", "rendered_photograph")[1],
    "red and blue 0.23": lambda: colours("srm", "rendered_photograph")[[0, 2]].mean(),
    "image has 0.84": lambda: colours("srm", "generated").min(),
    "to 0.91 in all three": lambda: colours("srm", "generated").max(),
    "the eye has 0.61": eye_pasted_as_it_was,
    "differ by up to 2.7": lambda: largest_difference(
        pictures.generated()[..., 1].astype(float)
    ),
    "KV and KB find 0.28": lambda: views.rgbn(pictures.splice())[
        pictures.tampered(), 0
    ].mean(),
    "and 0.25 in it": lambda: views.rgbn(pictures.splice())[
        pictures.tampered(), 1
    ].mean(),
    "second difference 0.45": lambda: views.rgbn(pictures.splice())[
        pictures.tampered(), 2
    ].mean(),
    "The eye has 0.51": lambda: inside("bayar"),
    "the wood had 0.77": lambda: inside("bayar", pictures.photograph),
    "photographed one, 0.82": lambda: colours("stream", "generated")[0],
    "to 0.55": lambda: colours("stream", "rendered_photograph")[0],
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_gallery_says_what_is_measured(claim):
    text = " ".join((ROOT / "docs" / "gallery.md").read_text("utf-8").split())
    assert claim in text
    said = next(word for word in claim.split() if word[0].isdigit())
    unit = 10.0 ** -len(said.partition(".")[2])
    # Training and other versions of NumPy and Pillow may change the last digit.
    assert CLAIMS[claim]() == pytest.approx(float(said), abs=1.5 * unit)


def test_gallery_is_right_about_what_cannot_be_seen():
    # An untouched shadow is as dark as the eye.
    shadow = views.srm(pictures.photograph())[192:224, 192:256].mean()
    assert shadow == pytest.approx(inside("srm"), abs=0.03)
    # As much as the saucer.
    saucer = views.srm(pictures.photograph())[100:200, 100:200].mean()
    assert saucer == pytest.approx(eye_pasted_as_it_was(), abs=0.05)
    # The checkerboard is not in the magnitudes.
    seen = views.srm(pictures.generated())[..., 1]
    assert largest_difference(seen) < 0.01 * seen.mean()
    rendered = views.srm(pictures.rendered_photograph())[..., 1]
    assert largest_difference(rendered) > 0.1 * rendered.mean()


def test_explanation_calls_the_splice_fake_for_the_eye_and_real_for_the_rest():
    explanation = explained.explained()
    assert explanation.called_fake
    crop = explanation.crop
    eye = pictures.tampered()[explained.PART][crop.top :, crop.left :]
    eye = eye[: crop.side, : crop.side]
    side = crop.side // BLOCKS
    share = eye.reshape(BLOCKS, side, BLOCKS, side).mean((1, 3))
    assert explanation.forensic[share > 0.9].mean() > -0.1
    assert explanation.forensic[share < 0.1].mean() < -0.2
