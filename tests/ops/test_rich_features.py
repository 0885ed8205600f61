import gc

import numpy as np
from keras import ops

from keras_forensics import rich_models
from keras_forensics.ops.rich_features import FamilyMaps, rich_features


def test_maps_are_let_go_at_once():
    images = np.random.default_rng(0).integers(0, 256, (1, 1, 16, 16))
    images = ops.convert_to_tensor(images, "float32")
    rich_features(images, rich_models.SRM[:3], 4, 2)  # what the first call keeps
    gc.collect()
    gc.disable()
    try:
        rich_features(images, rich_models.SRM[:3], 4, 2)
        # Gigabytes would wait for the collector, which counts objects, not bytes.
        waiting = [each for each in gc.get_objects() if type(each) is FamilyMaps]
    finally:
        gc.enable()
    assert not waiting
