"""Tests of `benchmarks`, scaled down so that each takes seconds.

They may import the benchmark that they test, and what it may import.
"""

import keras
import pytest

from benchmarks.accuracy.__main__ import Benchmark
from examples.deepfake_v3.demo_set import render_demo_set
from test_support.eager_training import train_eagerly
from test_support.small_backbone import build_small_backbone


@pytest.fixture
def small_backbone(monkeypatch):
    """Three convolutions in the place of MobileNetV2, which takes long to compile."""
    monkeypatch.setattr(keras.applications, "MobileNetV2", build_small_backbone)


@pytest.fixture
def accuracy_on_demo(tmp_path, monkeypatch, small_backbone):
    """The benchmark of accuracy on rendered images of 32 pixels."""
    train_eagerly(monkeypatch)

    def benchmark(images_per_class, **options):
        data = render_demo_set(
            tmp_path / "data", images_per_class=images_per_class, image_size=32, seed=0
        )
        return Benchmark(
            name="demo",
            data_dir=(str(data),),
            weights=None,
            image_size=32,
            frozen_epochs=1,
            work_dir=str(tmp_path / "work"),
            results_dir=str(tmp_path / "results"),
            **options,
        )

    return benchmark
