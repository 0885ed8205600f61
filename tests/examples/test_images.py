import re

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.images import UnusableImageError, crop_to_size, read_image
from tests.backend import run_python


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("RGBA", (1, 2, 3, 255), (1, 2, 3)),
        ("I;16", 0x1234, (0x12, 0x12, 0x12)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_other_modes_are_read_as_rgb(tmp_path, mode, pixel, expected):
    image = Image.new(mode, (4, 4), pixel)
    image.save(tmp_path / "image.png")
    assert (read_image(tmp_path / "image.png") == expected).all()


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((4, 4), 0.5, "float32"), "floating-point"),
        (np.full((4, 4), 70_000, "int32"), "more than 16 bits"),
    ],
)
def test_pixels_of_unknown_range_are_unusable(tmp_path, pixels, reason):
    Image.fromarray(pixels).save(tmp_path / "image.tif")
    with pytest.raises(UnusableImageError, match=reason):
        read_image(tmp_path / "image.tif")


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (8, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by a quarter turn
    image.save(tmp_path / "image.jpg", exif=exif)
    assert read_image(tmp_path / "image.jpg").shape == (8, 4, 3)


def test_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    code = (
        "from examples.deepfake_v3.images import *\n"
        "try: read_image('bomb.png')\n"
        "except UnusableImageError as error: print(error)\n"
    )
    # In a process of its own: pytest makes errors of warnings anyway.
    assert re.search("144000000 pixels.*limit", run_python(code, cwd=tmp_path))


def test_crops_copy_pixels_and_do_not_interpolate():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), "uint8")
    centre = crop_to_size(image, 32)
    np.testing.assert_array_equal(centre, image[9:41, 14:46])
    windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32, 3))
    crop = crop_to_size(image, 32, np.random.default_rng(1))
    assert (windows.reshape(-1, 32, 32, 3) == crop).all(axis=(1, 2, 3)).any()


def test_small_images_are_enlarged():
    assert crop_to_size(np.zeros((8, 12, 3), "uint8"), 32).shape == (32, 32, 3)
