"""Memory of a training step: with a frozen backbone, a trained one, and at inference.

    KERAS_BACKEND=torch python -m benchmarks.speed.memory

Every form runs in processes of its own, at two batch sizes: what the peak grows by is
memory per image; weights, code and compiled programs drop out.
"""

import dataclasses
import json
import resource
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import tyro

from benchmarks.record import backend_and_device, write_result
from benchmarks.speed.detector import frozen, model_of, public_detector
from benchmarks.speed.timing import inference_step, training_step
from examples.deepfake_v3.model import build_model_v3

FORMS = {
    "inference": ("build_model_v3", "inference"),
    "backbone frozen": ("build_model_v3", "frozen"),
    "backbone trained": ("build_model_v3", "trained"),
    "public form, inference": ("public form", "inference"),
    "public form, backbone frozen": ("public form", "frozen"),
    "public form, backbone trained": ("public form", "trained"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Measure peak and stored memory on the backend that Keras uses."""

    image_size: int = 224
    """Side of the images in pixels."""
    batch_sizes: tuple[int, int] = (8, 24)
    """The two batch sizes."""
    repeats: int = 3
    """Processes a form and batch size; the lowest peak counts."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as memory_<backend>.json; on a GPU, as
    memory_<backend>_gpu.json."""
    probe: str | None = None
    """Measure this form only, at the first batch size, and print it as JSON."""


def peak_bytes() -> int:
    """The highest use so far: of the GPU where there is one, else of the process."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
    if backend == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return jax.devices()[0].memory_stats()["peak_bytes_in_use"]
    if backend == "tensorflow":
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def stored_bytes(step) -> int | None:
    """Activations that torch keeps for the backward pass of one step."""
    if keras.backend.backend() != "torch":
        step()
        return None
    import torch

    storages: dict[int, int] = {}

    def note(tensor):
        if not tensor.is_leaf or not tensor.requires_grad:  # not a weight
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        step()
    return sum(storages.values())


def probe(form: str, batch_size: int, size: int) -> dict[str, int | None]:
    """Runs one form in this process."""
    which, way = FORMS[form]
    if which == "public form":
        model = model_of(lambda images: public_detector(images, size), size)
    else:
        model = build_model_v3(weights=None, image_size=size)
    images = np.random.default_rng(0).integers(
        0, 256, (batch_size, size, size, 3), "uint8"
    )
    if way == "frozen":
        frozen(model)
    step = (inference_step if way == "inference" else training_step)(model, images)
    step()
    stored = stored_bytes(step)
    return {"peak": peak_bytes(), "stored": stored}


def measure(benchmark: Benchmark, form: str, batch_size: int) -> dict:
    """The lowest of several processes: noise only adds."""
    command = [sys.executable, "-m", "benchmarks.speed.memory", "--probe", form]
    command += ["--image-size", str(benchmark.image_size)]
    command += ["--batch-sizes", str(batch_size), str(batch_size)]
    probes = []
    for _ in range(benchmark.repeats):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{run.stderr[-2000:]}")
        probes.append(json.loads(run.stdout.splitlines()[-1]))
    return min(probes, key=lambda each: each["peak"])


def main(benchmark: Benchmark) -> None:
    """Measures all forms and writes the table."""
    small, large = benchmark.batch_sizes
    if benchmark.probe:
        print(json.dumps(probe(benchmark.probe, small, benchmark.image_size)))
        return
    rows = []
    for form in FORMS:
        first, second = (measure(benchmark, form, size) for size in (small, large))

        def per_image(key, first=first, second=second):
            return f"{(second[key] - first[key]) / (large - small) / 1e6:.1f}"

        stored = "" if first["stored"] is None else per_image("stored")
        rows.append([form, per_image("peak"), stored])
        print(*rows[-1], sep="\t", flush=True)
    where, in_words = backend_and_device()
    write_result(
        Path(benchmark.results_dir) / f"memory_{where}.json",
        title=f"Memory on {in_words}",
        what=(
            f"Megabytes per image of {benchmark.image_size}x{benchmark.image_size}x3 "
            f"in float32: what the peak grows by from batch {small} to {large}, and "
            "on torch what the backward pass stores."
        ),
        columns=["step", "peak MB an image", "stored MB an image"],
        rows=rows,
        notes=(
            "A frozen backbone costs a forward pass: nothing of it is stored. "
            "Optimizer Adam, one process a measurement."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
