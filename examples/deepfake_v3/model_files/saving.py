"""Writes a model file, whole or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras

from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.model_files.metadata import Metadata, add_metadata


def save_model(
    model: keras.Model, path: Path, metadata: Metadata | None = None
) -> None:
    """Saves the model whole, with its metadata if any, or leaves the old file."""
    with replacing(path) as partial:
        with statistics_of_one_device(model):
            model.save(partial)
        if metadata is not None:
            add_metadata(partial, metadata)


@contextlib.contextmanager
def statistics_of_one_device(model: keras.Model) -> Iterator[None]:
    """Inside, a model that is being trained can be saved for all backends.

    `BatchNormalization(synchronized=True)` cannot be loaded except on TensorFlow.
    """
    if tensorflow_replicas() > 1:
        with synchronized(model, False):
            yield
    else:
        yield


@contextlib.contextmanager
def synchronized(model: keras.Model, value: bool) -> Iterator[None]:
    """Inside, `BatchNormalization` takes statistics over all devices, or does not."""
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    before = [layer.synchronized for layer in layers]
    for layer in layers:
        layer.synchronized = value
    try:
        yield
    finally:
        for layer, earlier in zip(layers, before, strict=True):
            layer.synchronized = earlier


def tensorflow_replicas() -> int:
    """How many devices TensorFlow trains on here; 1 on other backends."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync
