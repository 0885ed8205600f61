"""Pixels and coefficients against those of files."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_forensics import jpeg, quantization_tables
from keras_forensics.ops import jpeg_codec, jpeg_round_trip
from keras_forensics.testing import uint8_images
from test_support import pillow_jpeg
from tests.backend import NAME

numpy = keras.ops.convert_to_numpy
every_subsampling = pytest.mark.parametrize("subsampling", pillow_jpeg.SUBSAMPLINGS)

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))
if NAME == "jax":  # compiles for every size
    SIZES = st.sampled_from([(5, 4), (23, 33)])
BATCH = 4


@functools.cache
def compiled_round_trip(subsampling, channels):
    """`jpeg_round_trip`, compiled as the backend does it."""
    if NAME == "tensorflow":
        import tensorflow as tf

        # Once for images of every size.
        signature = [
            tf.TensorSpec((channels, BATCH, None, None), "int32"),
            tf.TensorSpec((2, BATCH, 8, 8)),
        ]
        return tf.function(
            lambda *inputs: jpeg_round_trip(*inputs, subsampling),
            input_signature=signature,
        )
    if NAME == "jax":
        import jax

        return jax.jit(lambda *inputs: jpeg_round_trip(*inputs, subsampling))
    return lambda *inputs: jpeg_round_trip(*inputs, subsampling)


def our_round_trip(images, qualities, subsampling):
    tables = [quantization_tables.standard(q) for q in qualities]
    tables = np.stack(tables, 1).astype("float32")
    planes = np.moveaxis(images, -1, 0).astype("int32")
    round_trip = compiled_round_trip(subsampling, images.shape[-1])
    planes = round_trip(
        keras.ops.convert_to_tensor(planes), keras.ops.convert_to_tensor(tables)
    )
    return np.moveaxis(numpy(planes), 0, -1)


def checkerboards(shape):
    """Squares of 1 to 8 pixels in the corners of the colour cube."""
    _, height, width, channels = shape
    squares = 2 ** np.arange(BATCH)[:, None, None]
    rows, columns = np.ogrid[:height, :width]
    odd = (rows // squares + columns // squares) % 2
    colours = np.array([[0, 255, 255], [255, 0, 255]])[..., :channels]
    return colours[odd].astype("uint8")


def images_of(size, channels):
    shape = (BATCH, *size, channels)
    return uint8_images(shape) | st.just(checkerboards(shape))


@every_subsampling
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_equal_pillows_at_any_quality_and_size(
    channels, subsampling, record_property
):
    if channels == 1 and subsampling != "4:2:0":
        pytest.skip("grey images have no chroma")
    counted = []

    @settings(suppress_health_check=[*HealthCheck])
    @given(
        SIZES.flatmap(lambda size: images_of(size, channels)),
        st.lists(st.integers(1, 100), min_size=BATCH, max_size=BATCH),
    )
    def check(images, qualities):
        expected = pillow_jpeg.round_trip(images, qualities, subsampling)
        actual = our_round_trip(images, qualities, subsampling)
        np.testing.assert_array_equal(actual, expected)
        counted.append(images.size)

    check()
    record_property("counted", ["JPEG values equal to Pillow's", sum(counted)])


@every_subsampling
def test_pixels_equal_pillows_at_every_quality(subsampling, record_property):
    random = np.random.default_rng(0)
    size = (23, 33)
    waves = np.sin(np.add.outer(np.arange(size[0]), np.arange(size[1])) / 5)
    counted = 0
    for first in range(1, 101, BATCH):
        images = 128 + 90 * waves[..., None] + random.normal(0, 9, (BATCH, *size, 3))
        images = images.clip(0, 255).astype("uint8")
        qualities = np.arange(first, first + BATCH)
        expected = pillow_jpeg.round_trip(images, qualities, subsampling)
        actual = our_round_trip(images, qualities.tolist(), subsampling)
        np.testing.assert_array_equal(actual, expected)
        counted += images.size
    record_property("counted", ["JPEG values equal to Pillow's", counted])


def requantized(planes, tables):
    """Multiples of the tables, of luma and of chroma in 4:2:0."""
    ops = keras.ops
    tables = ops.convert_to_tensor(tables, "float32")

    def compute(planes):
        luma, chroma = jpeg_codec.to_luma_and_chroma(planes, ops)
        chroma = jpeg_codec.chroma_coefficients(chroma, "4:2:0", ops)
        luma = jpeg_codec.luma_coefficients(luma, ops)
        return [
            jpeg_codec.requantize(coefficients, table, ops)
            for coefficients, table in zip((luma, chroma), tables, strict=True)
        ]

    if NAME == "jax":
        import jax

        compute = jax.jit(compute)
    return compute(planes)


def test_coefficients_equal_those_of_the_file(tmp_path, record_property):
    pytest.importorskip("jpeglib", reason="jpeglib is not installed")
    ops = keras.ops
    images = np.random.default_rng(0).integers(0, 256, (1, 23, 33, 3), "uint8")
    path = tmp_path / "image.jpg"
    path.write_bytes(pillow_jpeg.encode(images[0], 80, "4:2:0"))
    stored = jpeg.read_coefficients(path)

    planes = ops.convert_to_tensor(np.moveaxis(images, -1, 0).astype("int32"))
    tables = quantization_tables.standard(80)
    actual = []
    for multiples, table in zip(requantized(planes, tables), tables, strict=True):
        quantized = numpy(multiples) // table.reshape(8, 8, 1, 1, 1, 1)
        actual += list(np.moveaxis(quantized, (0, 1), (-2, -1))[:, 0])
    for ours, theirs in zip(actual, stored.coefficients, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        record_property("counted", ["JPEG coefficients equal to a file's", ours.size])
