"""Decoding in other processes: pixels as they are, and files that never hang a run."""

import os
import signal

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.loading import decoding
from examples.deepfake_v3.loading.decoding import Decoder, decode_ahead
from examples.deepfake_v3.loading.images import UnusableImageError, crop_to_size


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    paths = []
    for index in range(8):
        pixels = rng.integers(0, 256, (40 + index, 50, 3), "uint8")
        paths.append(folder / f"{index}\n \udcff.png")  # not even UTF-8
        Image.fromarray(pixels).save(paths[-1])
    return paths


def pixels_of(path):
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("ahead", [1, 100])
def test_images_come_in_order_with_all_their_pixels(files, ahead):
    found = list(decode_ahead(files, size=None, ahead=ahead))
    assert [each.file for each in found] == [str(file) for file in files]
    for each in found:
        np.testing.assert_array_equal(each.pixels, pixels_of(each.file))


def test_crops_are_those_of_training(files):
    for each in decode_ahead(files, size=32, ahead=10):
        expected = crop_to_size(pixels_of(each.file), 32)
        np.testing.assert_array_equal(each.pixels, expected)
        assert each.facts.width == 50  # of the whole image


def test_arrays_pass_between_files(files):
    array = np.full((60, 60, 3), 7, "uint8")
    found = list(decode_ahead([files[0], array, files[1]], size=32, ahead=10))
    assert [each.pixels.shape for each in found] == [(32, 32, 3)] * 3
    assert (found[1].pixels == 7).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((40, 40, 3), "float32"),
        np.zeros((40, 40), "uint8"),
        np.zeros((40, 40, 4), "uint8"),
        np.zeros((0, 40, 3), "uint8"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(ValueError, match=r"Received: shape="):
        list(decode_ahead([array], size=32, ahead=10))


def test_unreadable_files_say_why_and_the_others_are_read(files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:100])
    os.mkfifo(tmp_path / "pipe.png")
    bad = [broken, tmp_path / "pipe.png", tmp_path / "none.png", tmp_path]
    *found, good = decode_ahead([*bad, files[0]], size=None, ahead=10)
    reasons = [str(each.error) for each in found]
    assert all(isinstance(each.error, UnusableImageError) for each in found)
    assert "truncated" in reasons[0]
    assert reasons[1] == "not a regular file"
    assert reasons[3] == "a folder, not a file: give the files in it"
    assert "No such file" in reasons[2]
    np.testing.assert_array_equal(good.pixels, pixels_of(files[0]))


def test_wrongly_named_files_are_read(files, tmp_path):
    other = tmp_path / "image.jpg"
    other.write_bytes(files[0].read_bytes())
    (found,) = decode_ahead([other], size=None, ahead=1)
    np.testing.assert_array_equal(found.pixels, pixels_of(files[0]))


def test_file_that_hangs_its_decoder_costs_only_itself(files):
    decoder = Decoder(seconds=0.2)
    # Stopped, it answers as little as one that never ends.
    decoder.process = decoding._start()
    hung = decoder.process
    os.kill(hung.pid, signal.SIGSTOP)
    with pytest.raises(UnusableImageError, match=r"not decoded within 0\.2 s"):
        decoder.decode(files[0], None)
    assert hung.returncode is not None
    decoder.seconds = 60
    pixels, _ = decoder.decode(files[1], None)
    np.testing.assert_array_equal(pixels, pixels_of(files[1]))
    decoder.close()


def test_file_that_crashes_its_decoder_costs_only_itself(files):
    decoder = Decoder()
    decoder.process = decoding._start()
    decoder.process.kill()
    decoder.process.wait()
    with pytest.raises(UnusableImageError, match=r"crashed \(exit code -9\)"):
        decoder.decode(files[0], None)
    pixels, _ = decoder.decode(files[1], None)
    np.testing.assert_array_equal(pixels, pixels_of(files[1]))
    decoder.close()


def test_processes_end_with_whoever_stops_asking(files, monkeypatch):
    started = []
    start = decoding._start

    def spy():
        started.append(start())
        return started[-1]

    monkeypatch.setattr(decoding, "_start", spy)
    images = decode_ahead(files, size=None, ahead=2)
    next(images)
    assert started
    images.close()
    assert all(process.returncode is not None for process in started)


def test_processes_do_not_load_keras(files, tmp_path):
    decoder = Decoder()
    decoder.decode(files[0], None)
    with open(f"/proc/{decoder.process.pid}/maps") as maps:
        loaded = maps.read()
    decoder.close()
    assert "numpy" in loaded
    assert not any(name in loaded for name in ("tensorflow", "jaxlib", "libtorch"))
