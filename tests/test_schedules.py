"""WarmupCosineDecay against plain Python, at every step."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_forensics import WarmupCosineDecay
from tests import oracle
from tests.backend import compiled


@st.composite
def arguments(draw):
    decay_steps = draw(st.integers(1, 60))
    return {
        "initial_lr": (rate := draw(st.floats(1e-8, 10))),
        "decay_steps": decay_steps,
        "warmup_steps": draw(
            st.one_of(st.just(0), st.just(decay_steps), st.integers(0, decay_steps))
        ),
        "min_lr": draw(st.one_of(st.just(0.0), st.just(rate), st.floats(0, rate))),
    }


@given(arguments())
def test_schedule_equals_the_oracle_at_every_step(kwargs):
    schedule = WarmupCosineDecay(**kwargs)
    steps = range(0, kwargs["decay_steps"] + 5, 1 + kwargs["decay_steps"] // 5)
    for step in {*steps, kwargs["warmup_steps"], kwargs["decay_steps"]}:
        expected = oracle.warmup_cosine_decay(step, **kwargs)
        rate = schedule(step)
        assert keras.backend.standardize_dtype(rate.dtype) == "float32"
        assert float(rate) == pytest.approx(expected, 1e-5, 1e-6 * kwargs["initial_lr"])


CURVES = [
    (1e-3, 20, 5, 1e-5),
    (1e-3, 20, 0, 0.0),
    (1e-3, 8, 8, 1e-5),
    (1, 10, 3, 1),
    (1, 1, 0, 0),
]


@pytest.mark.parametrize("curve", CURVES, ids=str)
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_steps_may_be_tensors(curve, dtype):
    schedule = WarmupCosineDecay(*curve)
    for step in (0, 2, 3, 5, 8, 9, 10, 20, 25):
        rate = schedule(keras.ops.cast(step, dtype))
        assert float(rate) == pytest.approx(
            oracle.warmup_cosine_decay(step, *curve), 1e-5, 1e-7
        )


def test_schedule_compiles():
    schedule = WarmupCosineDecay(1e-3, 20, 5, 1e-5)
    function = compiled(schedule)
    for step in (0, 4, 5, 12, 20, 30):
        assert float(function(keras.ops.convert_to_tensor(step))) == pytest.approx(
            oracle.warmup_cosine_decay(step, 1e-3, 20, 5, 1e-5), 1e-5
        )


def test_half_precision_floatx_does_not_round_steps():
    keras.config.set_floatx("bfloat16")
    try:
        schedule = WarmupCosineDecay(1e-3, 1000, 500)
        assert float(schedule(499)) == pytest.approx(1e-3 * 499 / 500, 1e-5)
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize("curve", [(0.1, 6, 3, 0.01), (0.1, 8, 0, 0.0)], ids=str)
def test_rate_of_the_optimizer_follows_the_schedule_in_a_compiled_fit(curve):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(WarmupCosineDecay(*curve))
    if keras.backend.backend() == "torch":  # torch.compile takes minutes
        model.compile(optimizer, "mse")
    else:
        model.compile(optimizer, "mse", jit_compile=True)
    rates = []
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(
            float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        )
    )
    data = np.ones((1, 2), "float32"), np.ones((1, 1), "float32")
    model.fit(*data, epochs=10, callbacks=[log], verbose=0)
    expected = [oracle.warmup_cosine_decay(step, *curve) for step in range(1, 11)]
    assert rates == pytest.approx(expected, 1e-5)


def test_first_steps_move_weights_by_the_scheduled_rate():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(
        keras.optimizers.SGD(WarmupCosineDecay(0.1, 6, 3)),
        lambda y_true, y_pred: keras.ops.mean(y_pred),  # gradient 1
    )
    before = model.get_weights()[0].item()
    model.fit(np.ones((7, 1)), np.ones((7, 1)), batch_size=1, verbose=0)
    total = sum(oracle.warmup_cosine_decay(step, 0.1, 6, 3, 0.0) for step in range(7))
    assert before - model.get_weights()[0].item() == pytest.approx(total, 1e-4)


@pytest.mark.parametrize("number", [int, float, np.float32, np.int64])
def test_rate_may_be_any_number(number):
    schedule = WarmupCosineDecay(number(2), np.int64(10), np.int32(0), number(1))
    assert float(schedule(5)) == 1.5
    assert schedule.get_config() == {
        "initial_lr": 2.0,
        "decay_steps": 10,
        "warmup_steps": 0,
        "min_lr": 1.0,
    }


def test_schedule_survives_its_config_and_a_saved_optimizer():
    schedule = WarmupCosineDecay(0.5, 30, 7, 0.25)
    optimizer = keras.optimizers.deserialize(
        keras.optimizers.serialize(keras.optimizers.Adam(schedule))
    )
    read = optimizer._learning_rate
    assert isinstance(read, WarmupCosineDecay)
    assert read.get_config() == schedule.get_config()
    steps = (0, 3, 7, 20, 30, 40)
    assert [float(read(s)) for s in steps] == [float(schedule(s)) for s in steps]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial_lr": 0}, r"`initial_lr` must be .*initial_lr=0"),
        ({"initial_lr": float("inf")}, r"initial_lr=inf"),
        ({"initial_lr": "1e-3"}, r"initial_lr='1e-3'"),
        ({"decay_steps": 0}, r"`decay_steps` must be a positive.*decay_steps=0"),
        ({"decay_steps": 2.5}, r"decay_steps=2.5"),
        ({"warmup_steps": -1}, r"`warmup_steps` must be .*warmup_steps=-1"),
        ({"warmup_steps": 11}, r"warmup_steps=11, decay_steps=10"),
        ({"warmup_steps": 0.5}, r"warmup_steps=0.5"),
        ({"min_lr": -1}, r"`min_lr` must lie .*min_lr=-1"),
        ({"min_lr": 2}, r"min_lr=2, initial_lr=1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        WarmupCosineDecay(**{"initial_lr": 1, "decay_steps": 10, **arguments})
