"""Each image's own compression, against Pillow's at every quality and grid."""

import itertools

import keras
import numpy as np
import pytest

from keras_forensics import RandomJPEGCompression
from test_support import pillow_jpeg
from tests.backend import as_one_function, random_images

numpy = keras.ops.convert_to_numpy
# Grey and of one shape: JAX compiles each operation for each shape.
SHAPE = (2, 12, 14, 1)
IMAGES = random_images(SHAPE)


def augmented(images=IMAGES, training=True, **arguments):
    layer = RandomJPEGCompression(**{"seed": 0, **arguments})
    return numpy(layer(images, training=training))


def compressed_on_grid(image, quality, subsampling, top, left, period=16):
    """What Pillow gives if the image is cut out of one that repeats its borders."""
    around = (top, period - 1 - top), (left, period - 1 - left), (0, 0)
    larger = np.pad(image, around, "edge")
    larger = pillow_jpeg.round_trip(larger[None], quality, subsampling)[0]
    return larger[top : top + image.shape[0], left : left + image.shape[1]]


def test_each_image_has_pillows_pixels_at_a_quality_and_grid_of_its_own():
    qualities, subsamplings = (60, 61), ("4:4:4", "4:2:0")
    layer = RandomJPEGCompression(qualities, subsamplings, seed=0)
    images = random_images((6, 12, 14, 3))
    layer.build(images.shape)
    outputs = numpy(as_one_function(layer, training=True)(images))
    found = []
    for image, output in zip(images, outputs, strict=True):
        choices = [
            choice
            for choice in itertools.product(
                qualities, subsamplings, range(16), range(16)
            )
            if (compressed_on_grid(image, *choice) == output).all()
        ]
        # Grids repeat: after 8 rows and columns in 4:4:4.
        assert len(choices) == {"4:4:4": 4, "4:2:0": 1}[choices[0][1]]
        found.append(choices[0])
    assert all(len(set(drawn)) > 1 for drawn in zip(*found, strict=True))


def test_grids_of_one_image_reach_all_places_and_qualities_both_ends():
    many = RandomJPEGCompression(quality=(98, 100), subsampling="4:4:4", seed=0)
    drawn = many.get_random_transformation(np.zeros((2000, 8, 8, 3)), training=True)
    top, left = (numpy(places) for places in drawn["offset"])
    assert set(zip(top.tolist(), left.tolist(), strict=True)) == {
        (i, j) for i in range(8) for j in range(8)
    }
    counts = np.bincount(numpy(drawn["quality"]), minlength=101)
    assert (counts[98:] > 500).all() and counts.sum() == counts[98:].sum()


def test_images_are_kept_to_the_last_digit_unless_drawn():
    images = (IMAGES - 0.25).astype("float32")  # not rounded, not clipped
    layer = RandomJPEGCompression(probability=0.5, grid_shift=False, seed=0)
    outputs = np.stack([numpy(layer(images, training=True)) for _ in range(15)])
    kept = (outputs == images).all((2, 3, 4))
    assert 5 < kept.sum() < 25  # of 30
    assert (outputs[~kept] == outputs[~kept].round()).all()


def test_nothing_is_compressed_at_inference():
    np.testing.assert_array_equal(augmented(training=False), IMAGES)
    model = keras.Sequential([keras.Input(SHAPE[1:]), RandomJPEGCompression(5)])
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), IMAGES)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_images_are_compressed_in_fit():
    model = keras.Sequential(
        [keras.Input(SHAPE[1:]), RandomJPEGCompression(5, grid_shift=False)]
    )
    model.compile("sgd", "mse")
    expected = pillow_jpeg.round_trip(IMAGES, 5)
    inputs = IMAGES.astype("float32")
    history = model.fit(inputs, expected, batch_size=2, verbose=0)
    assert history.history["loss"] == [0]


def test_seed_repeats_the_draws_and_calls_go_on():
    layer = RandomJPEGCompression(seed=3, grid_shift=False)
    first, second = (numpy(layer(IMAGES, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(augmented(seed=3, grid_shift=False), first)


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1)])
def test_range_of_the_input_is_that_of_the_output(value_range):
    low, high = value_range
    scaled = (low + IMAGES / 255 * (high - low)).astype("float32")
    actual = augmented(scaled, quality=70, grid_shift=False, value_range=value_range)
    expected = low + pillow_jpeg.round_trip(IMAGES, 70) / 255 * (high - low)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def test_labels_boxes_and_masks_stay_with_their_images():
    masks = (IMAGES > 99).astype("float32")
    data = {
        "images": IMAGES.astype("float32"),
        "labels": np.arange(2.0),
        "segmentation_masks": masks,
    }
    outputs = RandomJPEGCompression(70, grid_shift=False)(data, training=True)
    expected = pillow_jpeg.round_trip(IMAGES, 70)
    np.testing.assert_array_equal(numpy(outputs["images"]), expected)
    np.testing.assert_array_equal(numpy(outputs["labels"]), np.arange(2))
    np.testing.assert_array_equal(numpy(outputs["segmentation_masks"]), masks)


@pytest.mark.parametrize("batched", [True, False])
def test_it_works_in_tf_data_on_every_backend(batched):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    layer = RandomJPEGCompression(70, grid_shift=False)
    dataset = tf.data.Dataset.from_tensor_slices(IMAGES)
    dataset = dataset.batch(2).map(layer) if batched else dataset.map(layer)
    actual = np.stack([output.numpy() for output in dataset])
    expected = pillow_jpeg.round_trip(IMAGES, 70)
    np.testing.assert_array_equal(actual.reshape(SHAPE), expected)


def test_grids_are_moved_in_tf_data_with_sizes_that_only_the_run_knows():
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    layer = RandomJPEGCompression((40, 90), ("4:4:4", "4:2:0"), seed=0)
    signature = tf.TensorSpec((None, None, None, 3), "uint8")
    images = random_images((2, 12, 14, 3))
    dataset = tf.data.Dataset.from_generator(
        lambda: [images, images[:, :7, :9]], output_signature=signature
    )
    first, second = (output.numpy() for output in dataset.map(layer))
    assert first.shape == (2, 12, 14, 3) and second.shape == (2, 7, 9, 3)
    assert (first != images).any((1, 2, 3)).all()


def test_it_works_in_grain_on_one_image_without_a_batch():
    grain = pytest.importorskip("grain", reason="Grain is not installed")
    layer = RandomJPEGCompression(70, grid_shift=False)
    dataset = grain.MapDataset.source(IMAGES).map(layer)
    expected = pillow_jpeg.round_trip(IMAGES, 70)
    for index in range(2):
        np.testing.assert_array_equal(numpy(dataset[index]), expected[index])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", (0, 50)),
        ("quality", (60, 50)),
        ("quality", 75.5),
        ("subsampling", ()),
        ("subsampling", "4:1:1"),
        ("probability", 1.5),
        ("value_range", (1, 0)),
    ],
)
def test_wrong_argument_is_named(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}="):
        RandomJPEGCompression(**{name: value})


def test_other_channels_than_grey_or_rgb_are_refused():
    with pytest.raises(ValueError, match=r"1 channel .*Received: .*\(2, 9, 9, 4\)"):
        RandomJPEGCompression()(np.zeros((2, 9, 9, 4), "float32"), training=True)
