import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from examples.deepfake_v3.loading import images
from examples.deepfake_v3.loading.images import (
    UnusableImageError,
    crop_to_size,
    read_image,
)
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
        (np.full((4, 4), 70_000, "int32"), "signed"),
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
        "from examples.deepfake_v3.loading.images import *\n"
        "from PIL import Image\n"
        "Image.MAX_IMAGE_PIXELS = None\n"  # as notebooks do
        "try: read_image('bomb.png')\n"
        "except UnusableImageError as error: print(error)\n"
    )
    # In a process of its own: pytest makes errors of Pillow's warnings.
    assert re.search("12000x12000 pixels.*limit", run_python(code, cwd=tmp_path))


def test_crops_copy_pixels_and_do_not_interpolate():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), "uint8")
    centre = crop_to_size(image, 32)
    np.testing.assert_array_equal(centre, image[9:41, 14:46])
    corner = crop_to_size(image, 32, (0.999, 0.0))
    np.testing.assert_array_equal(corner, image[18:, :32])


def test_small_images_are_enlarged():
    image = np.full((8, 12, 3), 7, "uint8")
    image[:, [0, 1, 10, 11]] = 0  # outside the square at the centre
    np.testing.assert_array_equal(crop_to_size(image, 32), np.full((32, 32, 3), 7))


def test_lines_of_pixels_are_cropped_before_they_are_enlarged():
    line = np.zeros((1, 10_000_000, 3), "uint8")  # enlarged, it would take 30 TB
    assert crop_to_size(line, 1000).shape == (1000, 1000, 3)


def test_large_images_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "image.png")
    monkeypatch.setattr(images, "LARGE", 64 * 64 - 1)
    inside, most = 0, 0
    getexif = (
        PngImagePlugin.PngImageFile.getexif
    )  # the first thing that is done with the lock

    def counted(image):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1
        return getexif(image)

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "getexif", counted)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read_image, [tmp_path / "image.png"] * 8))
    assert most == 1
