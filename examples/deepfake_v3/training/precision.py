"""The dtype policy of a detector: by device, or as asked for."""

import contextlib
from collections.abc import Iterator
from typing import Any, get_args

import keras

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.options.choices import MixedPrecision


def choose_dtype_policy(mixed_precision: MixedPrecision = "auto") -> str:
    """Returns the name of the dtype policy for this machine.

    `"auto"` is mixed_float16 on a GPU with tensor cores (compute capability 7 and
    later: V100, T4, A100, …) and float32 elsewhere.

    Raises:
        ValueError: If `mixed_precision` is none of `MixedPrecision`.
    """
    if mixed_precision not in get_args(MixedPrecision):
        raise InputError(
            f"`mixed_precision` must be one of {get_args(MixedPrecision)}. "
            f"Received: mixed_precision={mixed_precision!r}"
        )
    if mixed_precision == "auto":
        return "mixed_float16" if _gpu_capability() >= 7 else "float32"
    return mixed_precision


def _gpu_capability() -> float:
    """CUDA compute capability of the backend's first GPU, 0 without one."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
            return float(details.get("compute_capability", (0,))[0])
        case "jax":
            import jax

            return float(getattr(jax.devices()[0], "compute_capability", 0))
        case "torch":
            import torch

            if torch.cuda.is_available():
                return float(torch.cuda.get_device_capability()[0])
    return 0.0


@contextlib.contextmanager
def building_under(policy: str) -> Iterator[None]:
    """Layers made inside get `policy`; the global policy is put back afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def policy_of(model: keras.Model) -> keras.DTypePolicy:
    """The policy that the model computes with.

    Asked of its first layer with weights, within models, too: a model that was loaded
    from a file has the global policy, whatever its layers have.
    """
    first = next(layer for layer in model.layers if layer.weights)
    return policy_of(first) if isinstance(first, keras.Model) else first.dtype_policy


def with_policy(model: keras.Model, policy: str) -> keras.Model:
    """The same model computing under `policy`, but for its float32 output.

    Returns:
        `model` itself if it has that policy, else a copy with the same weights.
    """
    if policy_of(model).name == policy:
        return model
    copy = type(model).from_config(_replace_policy(model.get_config(), policy))
    copy.set_weights(model.get_weights())
    return copy


def _replace_policy(config: Any, policy: str) -> Any:
    if isinstance(config, dict):
        if config.get("name") == "fake_probability":
            return config
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": policy}}
        return {key: _replace_policy(value, policy) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_replace_policy(value, policy) for value in config)
    return config
