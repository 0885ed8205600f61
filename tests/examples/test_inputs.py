"""What a detector takes for an image, and the sentence for what it does not take."""

import io

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.loading.decoding import decode_ahead
from examples.deepfake_v3.loading.inputs import as_images


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), "uint8")


@pytest.fixture(scope="module")
def path(pixels, tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs") / "image.png"
    Image.fromarray(pixels).save(path)
    return path


def read(images, size=None):
    return list(decode_ahead(images, size=size, ahead=4))


FORMS = {
    "path": lambda path, pixels: path,
    "text": lambda path, pixels: str(path),
    "bytes": lambda path, pixels: path.read_bytes(),
    "view": lambda path, pixels: memoryview(path.read_bytes()),
    "file in memory": lambda path, pixels: io.BytesIO(path.read_bytes()),
    "image": lambda path, pixels: Image.fromarray(pixels),
    "array": lambda path, pixels: pixels,
    "batch": lambda path, pixels: pixels[None],
}


def test_every_form_has_the_same_pixels(path, pixels):
    with path.open("rb") as file, Image.open(path) as opened:
        forms = [*(make(path, pixels) for make in FORMS.values()), file, opened]
        found = read(forms)
    assert len(found) == len(forms)
    for each in found:
        np.testing.assert_array_equal(each.pixels, pixels)
        assert (each.facts.width, each.facts.height) == (50, 40)
        assert each.file in (None, str(path))


@pytest.mark.parametrize("form", FORMS)
def test_one_of_any_form_is_what_a_list_of_one_is(form, path, pixels):
    alone, listed = (
        list(as_images(images))
        for images in (FORMS[form](path, pixels), [FORMS[form](path, pixels)])
    )
    assert len(alone) == len(listed) == 1
    assert alone[0][0] == listed[0][0]
    assert type(alone[0][1]) is type(listed[0][1])


def test_names_of_files_are_kept(path, pixels):
    with path.open("rb") as file, Image.open(path) as image:
        found = read([path, file, image, pixels, path.read_bytes()])
    assert [each.file for each in found] == [str(path)] * 3 + [None] * 2


def test_forms_can_be_mixed_and_batches_stand_for_their_images(path, pixels):
    mixed = [path, np.stack([pixels, 255 - pixels]), path.read_bytes()]
    found = [each.pixels for each in read(iter(mixed))]
    for image, expected in zip(
        found, [pixels, pixels, 255 - pixels, pixels], strict=True
    ):
        np.testing.assert_array_equal(image, expected)


def test_an_opened_image_is_read_as_its_file_is_and_stays_as_it_was(tmp_path, pixels):
    image = Image.fromarray(np.dstack([pixels, np.zeros((40, 50), "uint8")]))
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by a quarter turn
    image.save(tmp_path / "image.png", exif=exif)
    (expected,) = read(tmp_path / "image.png")
    with Image.open(tmp_path / "image.png") as opened:
        (found,) = read(opened)
        assert (opened.size, opened.mode) == ((50, 40), "RGBA")
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.pixels.shape == (50, 40, 3)
    assert found.facts.hidden == expected.facts.hidden == 1


def test_bytes_that_are_no_image_are_one_error():
    broken = [b"no image", io.BytesIO(b""), b"\xff\xd8\xff and no more"]
    for found in read(broken):
        assert found.pixels is None and found.error is not None


class Tensor:
    """Looks like a tensor of any backend."""

    shape = (40, 50, 3)
    ndim = 3

    def __array__(self, *args, **kwargs):
        return np.zeros(self.shape, "uint8")

    def __iter__(self):
        return iter(self.__array__())


@pytest.mark.parametrize("what", [7, None, {"a": 1}, Tensor(), [3], [None], [[b""]]])
def test_other_things_are_refused_in_a_sentence(what):
    with pytest.raises(TypeError, match=r"a path, the bytes of an image.*Received: "):
        list(as_images(what))


def test_a_text_file_is_refused_in_a_sentence(path):
    with (
        path.open("r", encoding="latin-1") as file,
        pytest.raises(TypeError, match="mode 'rb'"),
    ):
        list(as_images(file))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 40, 50, 3), "float32"),
        np.zeros((2, 40, 50, 4), "uint8"),
        np.zeros((40, 50), "uint8"),
        np.zeros((1, 1, 40, 50, 3), "uint8"),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(array):
    with pytest.raises(ValueError, match=r"shape \(height, width, 3\)"):
        list(as_images(array))


def test_a_folder_says_what_it_is(path):
    (found,) = read(path.parent)
    assert str(found.error) == "a folder, not a file: give the files in it"
