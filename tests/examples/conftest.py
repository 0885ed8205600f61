"""Tests of `examples`, and the two small data sets that several of them read.

They may import `examples`, `keras_forensics`, `test_support` and `tests.backend`.
"""

import keras
import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.demo_set import render_demo_set
from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS
from test_support.eager_training import train_eagerly
from test_support.small_backbone import build_small_backbone


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory):
    """A small demo set, rendered once."""
    return render_demo_set(
        tmp_path_factory.mktemp("demo") / "data",
        images_per_class={"train": 8, "val": 4, "test": 4},
        image_size=64,
        seed=0,
    )


@pytest.fixture
def small_backbone(monkeypatch):
    """Three convolutions in the place of MobileNetV2, which takes long to compile."""
    monkeypatch.setattr(keras.applications, "MobileNetV2", build_small_backbone)


@pytest.fixture
def eager_training(monkeypatch):
    """Few steps, which need not be compiled."""
    train_eagerly(monkeypatch)


@pytest.fixture
def data_dir(tmp_path):
    """Two images a class and split, of 40x48 random pixels, all different."""
    rng = np.random.default_rng(0)
    for split in SPLITS:
        for name in CLASS_NAMES:
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(2):
                pixels = rng.integers(0, 256, (40, 48, 3), "uint8")
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "data"
