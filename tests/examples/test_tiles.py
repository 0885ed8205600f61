import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from examples.deepfake_v3.loading.images import crop_to_size
from examples.deepfake_v3.prediction.tiles import lay_grid, mean_score, save_heat_map

lengths = st.integers(1, 400)


@given(lengths, lengths, st.integers(1, 100), st.floats(0, 0.9))
def test_tiles_cover_every_pixel_and_overlap_as_asked(height, width, size, overlap):
    grid = lay_grid(height, width, size, overlap)
    covered = np.zeros((height, width), bool)
    for top in grid.tops:
        for left in grid.lefts:
            covered[top : top + grid.side, left : left + grid.side] = True
    assert covered.all()
    assert grid.side == min(size, height, width)
    for places in (grid.tops, grid.lefts):
        steps = np.diff(places)
        # To the pixel that places are rounded to.
        assert (steps <= grid.side * (1 - overlap) + 1).all()
        assert (steps > 0).all()


def test_there_are_no_more_tiles_than_needed():
    assert lay_grid(224, 224, 224).shape == (1, 1)
    assert lay_grid(448, 224, 224, overlap=0.0).shape == (2, 1)
    assert lay_grid(448, 225, 224, overlap=0.25).shape == (3, 2)


def test_tiles_are_the_pixels_themselves():
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), "uint8")
    grid = lay_grid(70, 50, 32)
    tiles = list(grid.cut(image, 32))
    assert len(tiles) == len(grid.tops) * len(grid.lefts)
    np.testing.assert_array_equal(tiles[0], image[:32, :32])
    np.testing.assert_array_equal(tiles[-1], image[-32:, -32:])
    np.testing.assert_array_equal(
        tiles[1], image[:32, grid.lefts[1] : grid.lefts[1] + 32]
    )


def test_small_images_are_enlarged_as_in_training():
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), "uint8")
    (tile,) = lay_grid(20, 20, 32).cut(image, 32)
    np.testing.assert_array_equal(tile, crop_to_size(image, 32))


def test_score_of_an_image_is_the_mean_logit_of_its_tiles():
    assert mean_score(np.array([[0.9, 0.1]])) == pytest.approx(0.5)
    assert mean_score(np.array([[0.7]])) == pytest.approx(0.7)
    # Odds of 81 and 1 : their geometric mean is 9.
    assert mean_score(np.array([81 / 82, 0.5])) == pytest.approx(0.9)
    assert 0 < mean_score(np.array([0.0, 1.0, 1.0])) < 1


def test_heat_map_has_a_square_a_tile(tmp_path):
    scores = np.array([[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]])
    save_heat_map(scores, tmp_path / "map.png")
    pixels = np.asarray(Image.open(tmp_path / "map.png")).astype(int)
    assert pixels.shape == (32, 48, 3)
    brightness = pixels.sum(axis=2)[8::16, 8::16]
    assert brightness[0, 0] < brightness[0, 1] < brightness[0, 2]
    np.testing.assert_array_equal(brightness[1], brightness[0, ::-1])


def test_overlap_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"overlap=1\.0"):
        lay_grid(10, 10, 5, overlap=1.0)
