import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from examples.deepfake_v3.auditing.file_facts import as_columns, read_file_facts
from test_support.scenes import scene


@pytest.mark.parametrize("quality", [1, 25, 50, 75, 76, 90, 95, 100])
def test_quality_of_libjpeg_files_is_exact(tmp_path, quality):
    Image.fromarray(scene(0)).save(tmp_path / "image.jpg", quality=quality)
    assert read_file_facts(tmp_path / "image.jpg")["jpeg_quality"] == quality


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_subsampling_is_read(tmp_path, subsampling):
    Image.fromarray(scene(0)).save(tmp_path / "image.jpg", subsampling=subsampling)
    facts = read_file_facts(tmp_path / "image.jpg")
    assert facts["chroma_subsampling"] == subsampling


def test_size_and_weight_are_read(tmp_path):
    path = tmp_path / "image.PNG"
    Image.fromarray(scene(0)[:30]).save(path)
    facts = read_file_facts(path)
    assert (facts["width"], facts["height"]) == (48, 30)
    assert facts["bytes_per_pixel"] == path.stat().st_size / (48 * 30)
    assert (facts["format"], facts["extension"]) == ("PNG", ".png")
    assert facts["jpeg_quality"] is facts["chroma_subsampling"] is None


def test_metadata_is_seen(tmp_path):
    image = Image.fromarray(scene(0))
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    prompt = PngInfo()
    prompt.add_text("parameters", "a prompt")
    image.save(tmp_path / "plain.jpg", progressive=True)
    image.save(tmp_path / "rich.jpg", exif=exif, dpi=(72, 72), comment=b"hello")
    image.save(tmp_path / "drawn.png", pnginfo=prompt)
    plain, rich, drawn = (
        read_file_facts(tmp_path / name)
        for name in ("plain.jpg", "rich.jpg", "drawn.png")
    )
    for name in ("has_exif", "has_dpi", "has_comment"):
        assert (plain[name], rich[name]) == (0, 1)
    assert (plain["progressive"], rich["progressive"]) == (1, 0)
    assert (rich["has_text"], drawn["has_text"]) == (0, 1)


def test_only_facts_that_differ_become_columns():
    rows = [
        {"format": "PNG", "quality": None, "width": 3.0},
        {"format": "JPEG", "quality": 90.0, "width": 3.0},
    ]
    columns = as_columns(rows)
    assert columns.keys() == {"format", "quality"}
    np.testing.assert_array_equal(columns["format"], [1, 0])
    np.testing.assert_array_equal(columns["quality"], [np.nan, 90])
    assert as_columns([]) == {}
