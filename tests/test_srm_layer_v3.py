"""The V3 preset; what it shares with SRMFilterBank is tested there."""

import h5py
import keras
import numpy as np

from keras_forensics import SRMFilterBank, SRMLayerV3
from tests.backend import random_images


def test_preset_is_the_v3_bank_truncated_at_3_and_reflected():
    images = random_images()
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(SRMLayerV3()(images)),
        keras.ops.convert_to_numpy(
            SRMFilterBank("v3", threshold=3.0, padding="reflect")(images)
        ),
    )


def test_rgb_gives_15_maps_five_of_each_colour():
    images = random_images()
    maps = keras.ops.convert_to_numpy(SRMLayerV3()(images))
    assert maps.shape == (*images.shape[:3], 15)
    for colour in range(3):
        alone = SRMLayerV3()(images[..., [colour]])
        np.testing.assert_array_equal(
            maps[..., 5 * colour : 5 * colour + 5], keras.ops.convert_to_numpy(alone)
        )


def test_maps_of_one_colour_are_linearly_independent():
    maps = keras.ops.convert_to_numpy(SRMLayerV3(None)(random_images((1, 32, 32, 1))))
    assert np.linalg.matrix_rank(maps.reshape(-1, 5)) == 5


def test_positional_arguments_are_passed_on():
    layer = SRMLayerV3(2.0, "valid", 3, (0, 1), "channels_first")
    assert layer.bank == "v3"
    assert (layer.threshold, layer.padding, layer.strides) == (2.0, "valid", (3, 3))
    assert (layer.value_range, layer.data_format) == ((0, 1), "channels_first")


def test_what_a_summary_counts_is_in_no_file(tmp_path):
    model = keras.Sequential([keras.Input((None, None, 3)), SRMLayerV3()])
    assert model.count_params() == 1125 and not model.trainable_weights
    assert "1,125" in SRMLayerV3.__doc__
    model.save_weights(path := tmp_path / "fixed.weights.h5")
    sizes = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: sizes.append(getattr(item, "size", 0)))
    assert max(sizes) == 0
