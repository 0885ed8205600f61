"""Which files a command looks at, however they are named: each once."""

import io
import os
import types

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.loading.images import UnusableImageError, read_any_file
from examples.deepfake_v3.prediction.sources import find_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three images in `g`, one of them below it, and the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("g/a.png", "g/b.png", "g/more/c.png"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        Image.new("RGB", (4, 4)).save(name)
    return tmp_path


ALL = ["g/a.png", "g/b.png", "g/more/c.png"]


def listed(monkeypatch, content):
    """What a list on standard input stands for."""
    stdin = types.SimpleNamespace(buffer=io.BytesIO(content))
    monkeypatch.setattr("sys.stdin", stdin)
    return find_files(["-"])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "sources",
    [["g/**"], ["g"], ["g/*"], ["g/**/*.png"], ["./g/"], ["'g'"], [' "g" '], ["g/**/"]],
)
def test_each_file_is_found_once(sources):
    found = find_files(sources)
    assert [os.path.normpath(file) for file in found.files] == ALL
    assert found.notes() == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "again", ["g/a.png", "./g/../g/a.png", "link.png", "linked/a.png", "g/a*"]
)
def test_what_is_named_twice_is_one_file_and_a_note(again):
    os.symlink("g/a.png", "link.png")
    os.symlink("g", "linked")
    found = find_files(["g", again])
    assert found.files == ALL
    (note,) = found.notes()
    assert "looked at once: 1, such as" in note


@pytest.mark.usefixtures("folder")
def test_absolute_and_relative_names_are_one_file(folder):
    assert find_files(["g/a.png", str(folder / "g/a.png")]).files == ["g/a.png"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("holiday [2024]", "holiday [2024]/*.png"),
        ("[a]/[b]", "[a]/[b]/?.png"),
        ("g/more/[c]", "g/**/[c]/*.png"),
    ],
)
def test_brackets_may_belong_to_the_name_of_a_folder(name, pattern):
    os.makedirs(name)
    Image.new("RGB", (4, 4)).save(f"{name}/x.png")
    assert find_files([pattern]).files == [f"{name}/x.png"]


@pytest.mark.usefixtures("folder")
def test_brackets_are_still_a_glob():
    assert find_files(["g/[ab].png"]).files == ["g/a.png", "g/b.png"]
    # As the glob module escapes them.
    os.mkdir("[x]")
    Image.new("RGB", (4, 4)).save("[x]/1.png")
    assert find_files(["[[]x]/*.png"]).files == ["[x]/1.png"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "content",
    [
        b"g/a.png\ng/b.png",
        b"g/a.png\r\n\r\ng/b.png\r\n",
        b"g/a.png\0g/b.png\0",
        b"\xef\xbb\xbfg/a.png\ng/b.png\n",
        "\ufeffg/a.png\r\ng/b.png\r\n".encode("utf-16-le"),
        "\ufeffg/a.png\ng/b.png\n".encode("utf-16-be"),
        b"\"g/a.png\"\n'g/b.png'\n",
        b" g/a.png \n\tg/b.png\n",
        b"./g/a.png\ng/more/../b.png\ng/a.png\n",
    ],
)
def test_lists_are_read_as_they_were_meant(monkeypatch, content):
    found = listed(monkeypatch, content).files
    assert [os.path.normpath(file) for file in found] == ["g/a.png", "g/b.png"]


def test_home_and_file_addresses_are_read(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    expected = [str(folder / "g/a.png")]
    assert find_files(["~/g/a.png"]).files == expected
    assert find_files(["~/g/[a].png"]).files == expected
    assert find_files([(folder / "g/a.png").as_uri()]).files == expected


def test_a_name_that_no_file_can_have_is_a_row(folder, monkeypatch):
    names = ["x" * 300, "y" * 10_000]
    found = listed(monkeypatch, "\n".join([*names, "g/a.png"]).encode()).files
    assert found == [*names, "g/a.png"]
    with pytest.raises(UnusableImageError, match="too long"):
        read_any_file(found[0])
    assert find_files(["a\0b"]).files == ["a\0b"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_an_image_on_standard_input_is_told_from_a_list(monkeypatch, kind):
    file = io.BytesIO()
    Image.fromarray(np.zeros((9, 9, 3), "uint8")).save(file, kind)
    with pytest.raises(ValueError, match=f"Save the image to a file.*image, {kind}"):
        listed(monkeypatch, file.getvalue())


def test_utf_16_without_a_mark_is_named(monkeypatch):
    with pytest.raises(ValueError, match="UTF-16 without a mark"):
        listed(monkeypatch, "some/file.png\n".encode("utf-16-le"))


@pytest.mark.parametrize(
    "address", ["https://example.org/a.jpg", "s3://bucket/a.jpg", "http://x"]
)
def test_an_address_says_what_to_do(address):
    with pytest.raises(UnusableImageError, match="download it first"):
        read_any_file(find_files([address]).files[0])


@pytest.mark.usefixtures("folder")
def test_a_link_to_a_folder_inside_a_folder_is_named_as_such():
    os.mkdir("elsewhere")
    os.symlink("../elsewhere", "g/link")
    found = find_files(["g"])
    assert found.files == ["g/a.png", "g/b.png", "g/link", "g/more/c.png"]
    with pytest.raises(UnusableImageError, match="a link to a folder"):
        read_any_file("g/link")
    # Named itself, it is gone through.
    assert find_files(["elsewhere", "g/link/../a.png"]).files
