"""Times forms of one computation in alternation, compiled as the backend does it.

Written here because pytest-benchmark, pyperf and asv time one form after the other: on
a machine that others use, only what runs in alternation can be compared.
"""

import math
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np

Step = Callable[[], object]


def compiled_forward(function: Callable, inputs: list[np.ndarray]) -> Step:
    """A step that applies a layer or function to arrays on the device, and waits."""
    return _compiled(function, inputs, gradients=False)


def compiled_gradients(function: Callable, inputs: list[np.ndarray]) -> Step:
    """The same, and back to the inputs and the trainable weights."""
    return _compiled(function, inputs, gradients=True)


def _compiled(function, inputs, gradients) -> Step:
    tensors = [keras.ops.convert_to_tensor(each) for each in inputs]
    if not getattr(function, "built", True):
        function(*tensors)
    backend = keras.backend.backend()
    weights = [
        weight.value
        for weight in getattr(function, "trainable_variables", ())
        if gradients
    ]
    if backend == "tensorflow":
        return _tensorflow_step(function, tensors, weights, gradients)
    if backend == "jax":
        return _jax_step(function, tensors, gradients)
    return _torch_step(function, tensors, weights, gradients)


def _loss(outputs):
    """A scalar whose gradient no compiler can know beforehand."""
    return keras.ops.sum(keras.ops.square(keras.ops.cast(outputs, "float32")))


def _tensorflow_step(function, tensors, weights, gradients) -> Step:
    import tensorflow as tf

    @tf.function
    def run(*tensors):
        if not gradients:
            return function(*tensors)
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = _loss(function(*tensors))
        return [
            gradient
            for gradient in tape.gradient(total, [*tensors, *weights])
            if gradient is not None
        ]

    def step():
        outputs = tf.nest.flatten(run(*tensors))
        # On a GPU only reading waits; one number is enough.
        return [tf.reshape(each, [-1])[:1].numpy() for each in outputs]

    return step


def _jax_step(function, tensors, gradients) -> Step:
    import jax

    layer = function if isinstance(function, keras.layers.Layer) else None
    trainable = [v.value for v in layer.trainable_variables] if layer else []
    fixed = [v.value for v in layer.non_trainable_variables] if layer else []

    def forward(trainable, tensors):
        if layer is None:
            return function(*tensors)
        return layer.stateless_call(trainable, fixed, *tensors)[0]

    def total(trainable, tensors):
        return _loss(forward(trainable, tensors))

    run = jax.jit(jax.grad(total, (0, 1)) if gradients else forward)
    return lambda: jax.block_until_ready(run(trainable, tensors))


def _torch_step(function, tensors, weights, gradients) -> Step:
    import torch

    def wait():
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    def forward():
        with torch.no_grad():
            function(*tensors)
        wait()

    def both_ways():
        leaves = [each.detach().requires_grad_() for each in tensors]
        torch.autograd.grad(
            _loss(function(*leaves)), [*leaves, *weights], allow_unused=True
        )
        wait()

    return both_ways if gradients else forward


def inference_step(model: keras.Model, images: np.ndarray) -> Step:
    """A step that predicts one batch, compiled as in `fit`."""
    model.compile(jit_compile=keras.backend.backend() == "jax")
    return lambda: model.predict_on_batch(images)


def training_step(model: keras.Model, images: np.ndarray) -> Step:
    """A training step on one batch."""
    model.compile("adam", "mse", jit_compile=keras.backend.backend() == "jax")
    targets = np.zeros((len(images), model.output_shape[-1]), "float32")
    return lambda: model.train_on_batch(images, targets)


def alternate(
    steps: dict[str, Step],
    rounds: int,
    max_seconds: float = math.inf,
    warm_up: int = 2,
) -> dict[str, list[float]]:
    """Seconds of every step in every round.

    Args:
        steps: The forms by name.
        rounds: How often each is timed.
        max_seconds: Stop after so long, though not before the third round.
        warm_up: How often each is done before, to compile it and fill caches.
    """
    for step in steps.values():
        for _ in range(warm_up):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    begin = time.perf_counter()
    for number in range(rounds):
        if number >= 3 and time.perf_counter() - begin > max_seconds:
            break
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(values: list[float], reference: list[float]) -> str:
    """Median and quartiles over rounds of the ratios within a round."""
    ratios = [a / b for a, b in zip(values, reference, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def compare(steps: dict[str, Step], rounds: int, max_seconds: float = 40) -> list[list]:
    """One row a form: name, median milliseconds, and the ratio to the first form."""
    seconds = alternate(steps, rounds, max_seconds)
    reference = next(iter(seconds.values()))
    rows = []
    for name, values in seconds.items():
        milliseconds = f"{1000 * statistics.median(values):.1f}"
        rows.append([name, milliseconds, ratio(values, reference)])
        print(*rows[-1], sep="\t", flush=True)
    return rows
