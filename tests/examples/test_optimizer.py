import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.training.optimizer import LayerwiseAdamW

pytestmark = pytest.mark.backends


def step(optimizer, value=1.0, gradient=0.3, names=("slow", "fast")):
    """One step on equal kernels; returns how far each moved."""
    variables = []
    for name in names:
        layer = keras.layers.Dense(
            1, use_bias=False, kernel_initializer="ones", name=name
        )
        layer.build((None, 4))
        layer.kernel.assign(ops.full((4, 1), value))
        variables.append(layer.kernel)
    optimizer.build(variables)
    optimizer.apply_gradients([(ops.full((4, 1), gradient), v) for v in variables])
    return [float(np.abs(value - ops.convert_to_numpy(v)).max()) for v in variables]


def test_multiplier_scales_the_update():
    slow, fast = step(LayerwiseAdamW(0.01, 0.0, {"slow/kernel": 0.1}))
    assert fast == pytest.approx(0.01, rel=1e-4)  # Adam's first step is the rate
    assert slow == pytest.approx(0.001, rel=1e-3)


def test_multiplier_scales_the_decay():
    slow, fast = step(LayerwiseAdamW(0.01, 0.5, {"slow/kernel": 0.1}), gradient=0.0)
    assert fast == pytest.approx(0.005, rel=1e-4)
    assert slow == pytest.approx(0.0005, rel=1e-3)


def test_without_multipliers_it_is_adamw():
    ours = step(LayerwiseAdamW(0.01, 0.1))
    keras_own = step(keras.optimizers.AdamW(0.01, weight_decay=0.1))
    np.testing.assert_allclose(ours, keras_own, rtol=1e-5)


def test_biases_do_not_decay():
    layer = keras.layers.Dense(3, bias_initializer="ones")
    layer.build((None, 2))
    optimizer = LayerwiseAdamW(0.01, 0.5)
    optimizer.build([layer.bias])
    optimizer.apply_gradients([(ops.zeros(3), layer.bias)])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.bias), 1)


def test_multipliers_take_effect_in_a_compiled_fit():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, name="slow")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, name="fast")(hidden))
    before = {v.path: ops.convert_to_numpy(v) for v in model.trainable_variables}
    model.compile(
        LayerwiseAdamW(0.01, 0.0, {"slow/kernel": 0.01, "slow/bias": 0.01}), "mse"
    )
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 4)), rng.normal(size=(8, 1)), verbose=0)
    moved = {
        v.path: np.abs(ops.convert_to_numpy(v) - before[v.path]).max()
        for v in model.trainable_variables
    }
    assert moved["fast/kernel"] == pytest.approx(0.01, rel=1e-2)
    assert moved["slow/kernel"] == pytest.approx(0.0001, rel=1e-2)
