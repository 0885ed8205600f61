"""Assertions about any layer."""

import inspect
import json
import re
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_forensics.testing.values import read_values


def assert_serializable(layer, x=None):
    """Asserts that a layer survives saving.

    Its configuration must hold every argument of its constructor and survive JSON, and
    with `x` a model of the layer must survive a `.keras` file, with safe mode on.

    Args:
        layer: A registered layer.
        x: Input to compare outputs on: an array or a list of arrays.
    """
    config = layer.get_config()
    parameters = inspect.signature(type(layer)).parameters.values()
    names = [
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    dropped = [name for name in names if name not in config]
    entries = ", ".join(f"{name!r}: self.{name}" for name in dropped)
    assert not dropped, (
        f"get_config() of {layer.name!r} drops {dropped}. Let it return "
        f"{{**super().get_config(), {entries}}}. Received: config={config}"
    )

    record = keras.saving.serialize_keras_object(layer)
    clone = _read_back(layer, json.loads(json.dumps(record)))
    assert keras.saving.serialize_keras_object(clone)["config"] == record["config"], (
        f"The configuration of {layer.name!r} changes when it is read back."
    )
    for name in names:
        ours, theirs = getattr(layer, name, None), getattr(clone, name, None)
        if isinstance(ours, (bool, int, float, str, tuple)):
            assert ours == theirs, (
                f"`{name}` of {layer.name!r} is {ours!r}, and {theirs!r} when it is "
                "read back."
            )

    if x is not None:
        inputs = keras.tree.map_structure(
            lambda part: keras.Input(part.shape[1:], dtype=part.dtype.name), x
        )
        model = keras.Model(inputs, layer(inputs))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            loaded = keras.saving.load_model(path)
        for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(theirs, ours, "A weight changed.")
        _assert_close(loaded(x, training=False), model(x, training=False))


def _read_back(layer, record):
    """The object that Keras makes of `record`; its errors say what to do about it."""
    try:
        return keras.saving.deserialize_keras_object(record)
    except Exception as error:
        unknown = re.search(r"Could not locate (?:class|function) '(\w+)'", str(error))
        if unknown:
            raise AssertionError(
                f"Keras cannot find {unknown[1]!r} when {layer.name!r} is read back. "
                "Decorate it with "
                "@keras.saving.register_keras_serializable(package=...). "
                f"Received: layer={layer}"
            ) from error
        # Keras wraps the reason, and puts the configuration before it.
        reason: BaseException = error
        while "Exception encountered: " in str(reason) and reason.__context__:
            reason = reason.__context__
        raise AssertionError(
            f"{layer.name!r} cannot be made from its configuration "
            f"({type(reason).__name__}: {reason}). get_config() must return every "
            "argument that the constructor needs, and none that it does not take. "
            f"Received: config={record['config']}"
        ) from error


def assert_batch_independent(model, x, tolerance=1e-5):
    """Asserts that an inference result does not depend on the other inputs in a batch.

    Args:
        model: Model or layer with one output.
        x: Batch of 2 inputs or more: an array or a list of arrays.
        tolerance: Largest difference, relative to the largest output; at least 8 units
            in the last place of the output's dtype.
    """
    batch = len(keras.tree.flatten(x)[0])
    if batch < 2:
        raise ValueError(f"`x` must hold 2 inputs or more. Received: {batch}")
    together = model(x, training=False)
    for index in range(batch):
        part = slice(index, index + 1)
        alone = model(
            keras.tree.map_structure(lambda array, part=part: array[part], x),
            training=False,
        )
        _assert_close(
            alone,
            together[part],
            tolerance,
            f"Input {index} depends on its batch: a layer takes statistics over the "
            "batch, such as BatchNormalization that is called with training=True.",
        )


def _assert_close(actual, expected, tolerance=1e-5, message=""):
    (actual, epsilon), (expected, _) = read_values(actual), read_values(expected)
    largest = max(tolerance, 8 * epsilon) * abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, 0, largest, err_msg=message)
