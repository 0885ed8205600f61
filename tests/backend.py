"""What Keras leaves to its backends: gradients, float64 and compilation."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

NAME = keras.backend.backend()
ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def float64():
    """Lets JAX compute in float64, which the other backends always do."""
    if NAME == "jax":
        import jax

        with jax.enable_x64(True):
            yield
    else:
        yield


def gradients(layer, inputs, weights, as_one=False):
    """Gradients of `sum(layer(inputs) * weights)`, with `training=False`.

    Args:
        layer: Layer.
        inputs: List of arrays.
        weights: Array of the output's shape.
        as_one: Whether JAX compiles all of it at once, and not each operation.

    Returns:
        The loss, the gradients of the inputs (a list), those of the trainable weights.
    """
    if not layer.built:
        layer.build([x.shape for x in inputs] if len(inputs) > 1 else inputs[0].shape)
    if NAME == "tensorflow":
        import tensorflow as tf

        inputs = [tf.convert_to_tensor(x) for x in inputs]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(_call(layer, inputs) * weights)
        of_inputs, of_weights = tape.gradient(
            loss, (inputs, [v.value for v in layer.trainable_variables])
        )
    elif NAME == "jax":
        import jax

        def compute_loss(trainable, inputs):
            outputs, _ = layer.stateless_call(
                trainable,
                [v.value for v in layer.non_trainable_variables],
                inputs if len(inputs) > 1 else inputs[0],
                **_training(layer),
            )
            return (outputs * weights).sum()

        compute_gradients = jax.value_and_grad(compute_loss, (0, 1))
        if as_one:
            compute_gradients = jax.jit(compute_gradients)
        loss, (of_weights, of_inputs) = compute_gradients(
            [v.value for v in layer.trainable_variables],
            [jax.numpy.asarray(x) for x in inputs],
        )
    else:
        import torch

        inputs = [torch.tensor(x, requires_grad=True) for x in inputs]
        loss = (_call(layer, inputs) * torch.tensor(weights)).sum()
        variables = [v.value for v in layer.trainable_variables]
        found = torch.autograd.grad(loss, [*inputs, *variables])
        of_inputs, of_weights = found[: len(inputs)], found[len(inputs) :]
    numpy = keras.ops.convert_to_numpy
    return (
        float(numpy(loss)),
        [numpy(g) for g in of_inputs],
        [numpy(g) for g in of_weights],
    )


def _call(layer, inputs):
    return layer(inputs if len(inputs) > 1 else inputs[0], **_training(layer))


def _training(layer):
    # Layers without a training argument refuse it in stateless_call.
    return {"training": False} if layer._call_has_training_arg else {}


def as_one_function(layer, training=False):
    """A layer that was built, as a function of its inputs, on JAX compiled as a whole.

    For layers of a hundred operations, each of which JAX would compile for each shape.
    """
    arguments = {"training": training} if layer._call_has_training_arg else {}
    if NAME != "jax":
        return lambda inputs: layer(inputs, **arguments)
    import jax

    @jax.jit
    def compute(trainable, others, inputs):
        return layer.stateless_call(trainable, others, inputs, **arguments)[0]

    return lambda inputs: compute(
        [v.value for v in layer.trainable_variables],
        [v.value for v in layer.non_trainable_variables],
        inputs,
    )


def compiled(layer):
    """The layer as one compiled function, in inference mode."""
    if NAME == "tensorflow":
        import tensorflow as tf

        return tf.function(layer, jit_compile=getattr(layer, "supports_jit", True))
    if NAME == "jax":
        import jax

        return jax.jit(lambda *inputs: layer(*inputs))
    import torch

    # Inductor takes a minute a layer; the graph it would get is the same.
    return torch.compile(layer, backend="aot_eager")


def run_python(code, *, backend=NAME, cwd=None, **environment):
    """Runs code in a fresh process with the library and the tests importable."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            **environment,
        },
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


def random_images(shape=(2, 12, 14, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")
