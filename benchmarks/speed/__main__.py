"""All of it, on the backend and the device that Keras uses.

KERAS_BACKEND=torch python -m benchmarks.speed --data-dir DIR
"""

import dataclasses

import keras
import tyro

from benchmarks.speed import detector, layers, memory, pipeline


@dataclasses.dataclass(frozen=True, kw_only=True)
class Everything:
    """Time layers, stream, detector and input pipeline, and measure memory."""

    data_dir: str | None = None
    """Directory of .jpg files for the input pipeline; left out: not measured."""
    policies: tuple[str, ...] = ("float32", "mixed_bfloat16")
    """Dtype policies of the layers."""
    results_dir: str = "benchmarks/results"
    """Where the tables are written."""


def main(everything: Everything) -> None:
    """Runs the four parts one after the other."""
    results = {"results_dir": everything.results_dir}
    layers.main(layers.Benchmark(policies=everything.policies, **results))
    keras.config.set_dtype_policy("float32")
    detector.main(detector.Benchmark(**results))
    memory.main(memory.Benchmark(**results))
    if everything.data_dir is not None:
        pipeline.main(pipeline.Benchmark(data_dir=everything.data_dir, **results))


if __name__ == "__main__":
    main(tyro.cli(Everything))
