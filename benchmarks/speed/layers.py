"""Every layer against the form that people write by hand, and against copying.

    KERAS_BACKEND=jax python -m benchmarks.speed.layers

The bound is a copy: reading the input and writing as much as the output once.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tyro
from keras import ops

from benchmarks.public_form import public_srm_kernel
from benchmarks.record import backend_and_device, write_result
from benchmarks.speed.timing import compare, compiled_forward, compiled_gradients
from keras_forensics.constraints import BayarConstraint
from keras_forensics.layers import (
    BayarConv2D,
    ChannelAttention,
    ForensicStreamV3,
    GatedFusion,
    SRMFilterBank,
    SRMLayerV3,
)
from keras_forensics.ops import mirror, residual_conv


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time every layer on the backend that Keras uses."""

    image_size: int = 224
    """Side of the images in pixels."""
    batch_size: int = 16
    """Images a step."""
    policies: tuple[str, ...] = ("float32", "mixed_bfloat16")
    """Dtype policies."""
    what: tuple[str, ...] = ()
    """Comparisons to make, such as "SRM maps"; left out: all. Others are kept as they
    stand in the table."""
    rounds: int = 15
    """How often each form is timed, in alternation with the others."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as speed_layers_<backend>.json; on a GPU, as
    speed_layers_<backend>_gpu.json."""


def srm_forms(dtype: str) -> dict[str, Callable]:
    """The SRM maps in three forms of convolution.

    First as usual: divided taps, zero padding. Then as exact as `SRMLayerV3`, which is
    the dense one of these.
    """
    layer = SRMLayerV3()
    layer.build((None, None, None, 3))
    taps = public_srm_kernel()  # (5, 5, 5)
    kernels = {
        "depthwise": np.repeat(taps[:, :, None], 3, axis=2),
        "grouped": np.tile(taps[:, :, None], 3),
        "dense": np.kron(np.eye(3), taps[:, :, None]),
    }
    if keras.backend.backend() == "tensorflow":
        del kernels["grouped"]  # ten times slower than the others, and no gradient

    def convolve(name):
        return ops.depthwise_conv if name == "depthwise" else ops.conv

    def usual(name):
        kernel = ops.convert_to_tensor(kernels[name], dtype)

        def run(images):
            images = ops.cast(images, dtype)
            return ops.clip(convolve(name)(images, kernel, padding="same"), -3, 3)

        return run

    def exact(name):
        kernel = ops.convert_to_tensor(np.rint(kernels[name] / layer.scale), "float32")

        def run(images):
            for axis in (1, 2):
                images = mirror(images, axis, 2, skip=1)
            maps = convolve(name)(images, kernel, padding="valid") * layer.scale
            return ops.cast(ops.clip(maps, -3, 3), dtype)

        return run

    forms = {f"{name}, divided taps": usual(name) for name in kernels}
    del kernels["dense"]
    return forms | {f"{name}, exact": exact(name) for name in kernels}


def copies(times: int, dtype: str) -> Callable:
    """Writes the input so many times."""
    return lambda images, *_: ops.tile(ops.cast(images, dtype), (1, 1, 1, times))


def attention_by_hand(dtype: str) -> keras.Model:
    """Squeeze and excitation of 1280 channels from Keras's own layers."""
    features = keras.Input((7, 7, 1280), dtype=dtype)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(features)
    x = keras.layers.Dense(80, activation="relu")(x)
    x = keras.layers.Dense(1280, activation="sigmoid")(x)
    return keras.Model(features, keras.layers.Multiply()([features, x]))


def fusion_by_hand(visual, gate):
    """The fusion as one writes it with operations."""
    return ops.concatenate([visual * gate, visual], axis=-1)


class TwoConvolutions(keras.layers.Layer):
    """The front of the stream: fixed and learnable maps, joined and truncated."""

    strides = (2, 2)

    def build(self, input_shape):
        common = {"strides": self.strides, "padding": "reflect"}
        self.fixed = SRMLayerV3(**common)
        self.learnable = BayarConv2D(8, 5, **common)
        self.fixed.build(input_shape)
        self.learnable.build(input_shape)

    def call(self, images):
        learnable = ops.clip(self.learnable(images), -3, 3)
        return ops.concatenate([self.fixed(images), learnable], axis=-1)


class OneConvolution(TwoConvolutions):
    """The same maps by one convolution with both kinds of taps."""

    def call(self, images):
        scale = self.fixed.scale
        kernel = ops.concatenate(
            [ops.convert_to_tensor(self.fixed.kernel), self.learnable.kernel / scale],
            axis=-1,
        )
        maps = scale * residual_conv(
            ops.cast(images, kernel.dtype),
            kernel,
            strides=self.strides,
            padding="reflect",
            data_format="channels_last",
        )
        return ops.cast(ops.clip(maps, -3, 3), self.compute_dtype)


def groups(benchmark: Benchmark, policy: str) -> dict[str, tuple[dict, list]]:
    """`{what: ({form: function}, inputs)}`; the first form is the bound."""
    rng = np.random.default_rng(0)
    size, batch = benchmark.image_size, benchmark.batch_size
    images = rng.integers(0, 256, (batch, size, size, 3)).astype("float32")
    dtype = keras.DTypePolicy(policy).compute_dtype
    features = rng.random((batch, 7, 7, 1280), "float32")
    vectors = [rng.random((batch, 1280), "float32") for _ in range(2)]
    fusion = GatedFusion()
    conv = {"use_bias": False, "padding": "same"}
    return {
        "SRM maps": (
            {
                "copy": copies(5, dtype),
                **srm_forms(dtype),
                "SRMLayerV3": SRMLayerV3(),
                "SRMLayerV3, every second pixel": SRMLayerV3(strides=2),
            },
            [images],
        ),
        "30 SRM filters": (
            {"copy": copies(30, dtype), "SRMFilterBank": SRMFilterBank("srm30")},
            [images],
        ),
        "constrained convolution": (
            {
                "copy": copies(3, dtype),
                "Conv2D": keras.layers.Conv2D(8, 5, **conv),
                "Conv2D, BayarConstraint": keras.layers.Conv2D(
                    8, 5, kernel_constraint=BayarConstraint(), **conv
                ),
                "BayarConv2D": BayarConv2D(8, 5, padding="reflect"),
            },
            [images],
        ),
        "front of the stream": (
            {
                "copy": copies(2, dtype),
                "two convolutions": TwoConvolutions(),
                "one convolution": OneConvolution(),
            },
            [images],
        ),
        "forensic stream": (
            {"copy": copies(1, dtype), "ForensicStreamV3": ForensicStreamV3()},
            [images],
        ),
        "channel attention": (
            {
                "copy": copies(1, dtype),
                "by hand": attention_by_hand(dtype),
                "ChannelAttention": ChannelAttention(),
            },
            [features],
        ),
        "gated fusion": (
            {
                "copy": lambda visual, gate: ops.tile(visual, (1, 2)),
                "by hand": fusion_by_hand,
                "GatedFusion": lambda visual, gate: fusion([visual, gate]),
            },
            vectors,
        ),
    }


def main(benchmark: Benchmark) -> None:
    """Times all groups under all policies and writes the table."""
    where, in_words = backend_and_device()
    path = Path(benchmark.results_dir) / f"speed_layers_{where}.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    for policy in benchmark.policies:
        keras.config.set_dtype_policy(policy)
        for what, (forms, inputs) in groups(benchmark, policy).items():
            if benchmark.what and what not in benchmark.what:
                continue
            for way, prepare in (
                ("forward", compiled_forward),
                ("forward and backward", compiled_gradients),
            ):
                print(policy, what, way, flush=True)
                steps = {name: prepare(form, inputs) for name, form in forms.items()}
                compared = compare(steps, benchmark.rounds)
                rows = [row for row in rows if row[:3] != [what, policy, way]]
                rows += [[what, policy, way, *row] for row in compared]
    write_result(
        path,
        title=f"Speed of the layers on {in_words}",
        what=(
            f"Batches of {benchmark.batch_size}; images of {benchmark.image_size} "
            "pixels and 3 channels, features of 7x7x1280, vectors of 1280. Median "
            "milliseconds a batch, and the ratio to a copy (median and quartiles over "
            f"up to {benchmark.rounds} rounds in alternation). A copy reads the input "
            "and writes as much as the output once; for the stream it writes the input."
        ),
        columns=["what", "policy", "way", "form", "ms", "ratio to a copy"],
        rows=rows,
        notes=(
            "Lower is faster. The forms with divided taps are neither exact nor free "
            "of a frame at the border: they leave out the mirrored border and one "
            "multiplication, which SRMLayerV3 does over the whole output."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
