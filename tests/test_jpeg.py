"""Facts about files: the origin of their tables, and their coefficients."""

import numpy as np
import pytest
import scipy.fft
from PIL import Image

from keras_forensics import jpeg, quantization_tables
from test_support import pillow_jpeg

EXAMPLE = quantization_tables.standard(50)  # scaled by 1


@pytest.mark.parametrize("quality", range(1, 101))
def test_standard_tables_are_recognised(quality):
    luma_and_chroma = quantization_tables.standard(quality)
    expected = jpeg.QualityEstimate("standard", quality)
    assert jpeg.estimate_quality(luma_and_chroma) == expected
    assert jpeg.estimate_quality(luma_and_chroma[0]) == expected
    assert jpeg.estimate_quality(luma_and_chroma[[0, 1, 1]]) == expected


@pytest.mark.parametrize("setting", quantization_tables.PHOTOSHOP)
def test_tables_of_photoshop_are_told_from_others(setting):
    tables = quantization_tables.PHOTOSHOP[setting]
    estimate = jpeg.estimate_quality(tables)
    assert (estimate.origin, estimate.setting) == ("photoshop", setting)
    assert 1 <= estimate.quality <= 100


@pytest.mark.parametrize(
    ("factor", "quality"), [(0.215, 89.2), (0.773, 61.4), (1.31, 38.2), (2.77, 18.1)]
)
@pytest.mark.parametrize("rounding", [np.rint, np.floor])
def test_scaled_tables_tell_the_factor(factor, quality, rounding):
    # Chroma on a scale of its own, as some cameras have it.
    tables = rounding(EXAMPLE * [[[factor]], [[0.7 * factor]]])
    estimate = jpeg.estimate_quality(tables.clip(1, 255).astype(int))
    assert estimate.origin == "scaled"
    assert estimate.quality == pytest.approx(quality, abs=0.2)


def test_other_tables_are_unknown_but_have_a_quality():
    flat = jpeg.estimate_quality(np.full((8, 8), 16))
    finer = jpeg.estimate_quality(np.full((8, 8), 4))
    assert flat.origin == finer.origin == "unknown"
    assert flat.quality < finer.quality


@pytest.mark.parametrize(
    "tables", [np.ones((8, 7), int), np.ones((8, 8)), np.zeros((2, 8, 8), int), []]
)
def test_what_is_no_table_is_refused(tables):
    with pytest.raises(ValueError, match=r"`tables` must be positive .*Received: "):
        jpeg.estimate_quality(tables)


@pytest.mark.parametrize("subsampling", pillow_jpeg.SUBSAMPLINGS)
def test_coefficients_and_tables_of_a_file_are_read(subsampling, tmp_path):
    pytest.importorskip("jpeglib", reason="jpeglib is not installed")
    pixels = np.random.default_rng(0).integers(0, 256, (21, 37, 3), "uint8")
    path = tmp_path / "image.jpg"
    path.write_bytes(pillow_jpeg.encode(pixels, 85, subsampling))
    stored = jpeg.read_coefficients(path)
    assert stored.size == (21, 37)
    np.testing.assert_array_equal(
        stored.tables, quantization_tables.standard(85)[[0, 1, 1]]
    )
    luma, *chroma = stored.coefficients
    assert luma.shape[2:] == (8, 8)
    assert {plane.shape for plane in chroma} == {
        {
            "4:4:4": (3, 5, 8, 8),
            "4:2:2": (3, 3, 8, 8),
            "4:2:0": (2, 3, 8, 8),
        }[subsampling]
    }
    # The mean of a block is its first coefficient.
    mean = luma[0, 0, 0, 0] * stored.tables[0, 0, 0] / 8 + 128
    grey = np.asarray(Image.open(path).convert("YCbCr"))[:8, :8, 0]
    assert mean == pytest.approx(grey.mean(), abs=1)


def test_grey_file_has_one_plane(tmp_path):
    pytest.importorskip("jpeglib", reason="jpeglib is not installed")
    path = tmp_path / "image.jpg"
    path.write_bytes(pillow_jpeg.encode(np.zeros((9, 9), "uint8"), 85))
    stored = jpeg.read_coefficients(path)
    assert [plane.shape for plane in stored.coefficients] == [(2, 2, 8, 8)]
    assert stored.tables.shape == (1, 8, 8)


def test_file_that_is_no_jpeg_is_refused(tmp_path):
    pytest.importorskip("jpeglib", reason="jpeglib is not installed")
    path = tmp_path / "image.jpg"
    path.write_text("no image")
    with pytest.raises(OSError, match=r"image\.jpg"):
        jpeg.read_coefficients(path)


def grey_file(path, size=(24, 40), quality=85, **options):
    pixels = np.random.default_rng(1).integers(0, 256, size, "uint8")
    Image.fromarray(pixels).save(path, "JPEG", quality=quality, **options)
    return path


@pytest.mark.parametrize("quality", [30, 75, 98])
def test_unrounded_pixels_round_to_those_of_the_file(quality, tmp_path):
    pytest.importorskip("jpeglib", reason="jpeglib is not installed")
    path = grey_file(tmp_path / "grey.jpg", quality=quality)
    file = jpeg.read_unrounded(path)
    assert (file.pixels.shape, file.pixels.dtype) == ((24, 40, 1), np.float64)
    assert file.quality == quality
    decoded = np.asarray(Image.open(path))[..., None]
    # Whose integer arithmetic is off by less than a tenth of a grey level.
    assert abs(file.pixels.clip(0, 255) - decoded).max() < 0.6
    # They are those of the coefficients: a DCT gives these back.
    coefficients = jpeg.read_coefficients(path).coefficients[0] * file.table
    blocks = (file.pixels[..., 0] - 128).reshape(3, 8, 5, 8).transpose(0, 2, 1, 3)
    found = scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho")
    np.testing.assert_allclose(found, coefficients, atol=1e-9)


def test_files_that_the_features_are_not_of_are_refused_with_a_way_out(tmp_path):
    colour, progressive, cropped = (
        tmp_path / f"{name}.jpg" for name in ("colour", "progressive", "cropped")
    )
    colour.write_bytes(pillow_jpeg.encode(np.zeros((16, 16, 3), "uint8"), 85, "4:4:4"))
    with pytest.raises(ValueError, match=r"colour\.jpg.*-grayscale.*: 3 components"):
        jpeg.read_unrounded(colour)
    grey_file(progressive, progressive=True)
    with pytest.raises(ValueError, match=r"progressive\.jpg.*Received.* progressive"):
        jpeg.read_unrounded(progressive)
    grey_file(cropped, size=(24, 41))
    with pytest.raises(ValueError, match=r"-crop 40x24\+0\+0.*height 24 and width 41"):
        jpeg.read_unrounded(cropped)


def test_arithmetic_coding_is_named_by_the_marker_of_the_frame(tmp_path):
    path = grey_file(tmp_path / "grey.jpg")
    stored = path.read_bytes().replace(b"\xff\xc0", b"\xff\xc9", 1)
    path.write_bytes(stored)
    with pytest.raises(ValueError, match="Received: a file that is arithmetic-coded"):
        jpeg.read_unrounded(path)


@pytest.mark.parametrize("length", [0, 3, 20, 80])
def test_file_that_ends_before_its_frame_is_refused(length, tmp_path):
    path = grey_file(tmp_path / "grey.jpg")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(OSError, match=r"grey\.jpg: not a JPEG file, or damaged"):
        jpeg.read_unrounded(path)


def test_missing_jpeglib_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jpeglib", None)
    with pytest.raises(ImportError, match=r"keras-forensics\[jpeg\]"):
        jpeg.read_coefficients("image.jpg")
