"""Compares training on one device with training on two, and on two hosts.

    python -m benchmarks.devices

The devices are virtual ones of the CPU, the hosts two processes that talk over the
loopback address: this shows that the numbers are the same, not that it is faster.
"""

import dataclasses
import functools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import tyro

from benchmarks.record import write_result
from examples.deepfake_v3.demo_set import render_demo_set
from test_support.hosts import differences, run_on_hosts

TRAIN = """
import json
import sys

import numpy as np

from examples.deepfake_v3.training import stage as training
from examples.deepfake_v3.loading.pipeline import Batches
from examples.deepfake_v3.train_model import train_model_v3

load, make_dataset = Batches.__call__, training.make_dataset


def load_reversed(self, step):
    return tuple(part[::-1].copy() for part in load(self, step))


def make_reversed(*args, **kwargs):
    # Only now: the frozen backbone, whose statistics come first, stays the same.
    Batches.__call__ = load_reversed
    return make_dataset(*args, **kwargs)


if sys.argv[3] == "reversed":
    training.make_dataset = make_reversed
model, history = train_model_v3(**json.loads(sys.argv[1]))
if int(os.environ["HOST"]) == 0:
    np.savez(sys.argv[2], *model.get_weights())
    print(json.dumps(history))
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train one epoch on one device, on two, and on two hosts, on each backend."""

    backends: tuple[str, ...] = ("tensorflow", "jax")
    """Backends that can distribute."""
    images_per_class: int = 100
    """Training images of each class, drawn by the demo set."""
    image_size: int = 64
    """Side of the images in pixels."""
    alpha: float = 0.35
    """Width of MobileNetV2."""
    batch_size: int = 16
    """Images a step, of all devices together."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    seeds: int = 2
    """Seeds of the comparison with random draws on TensorFlow, where they differ."""
    results_dir: str = "benchmarks/results"
    """Where devices.json is written."""


def train(
    benchmark: Benchmark,
    data: Path,
    *,
    backend: str,
    devices: int = 1,
    hosts: int = 1,
    draws: bool = False,
    seed: int = 0,
    order: str = "",
) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """The weights after an epoch, and the history.

    The order `"reversed"` turns each batch round, which changes nothing but roundings.
    """
    distribute = "hosts" if hosts > 1 else "devices" if devices > 1 else "none"
    with tempfile.TemporaryDirectory() as directory:
        options = {
            "data_dir": str(data),
            "model_save_path": f"{directory}/detector.keras",
            "log_dir": f"{directory}/logs",
            "weights": None,
            "mixed_precision": "float32",
            "image_size": benchmark.image_size,
            "alpha": benchmark.alpha,
            "batch_size": benchmark.batch_size,
            "learning_rate": benchmark.learning_rate,
            "epochs": 1,
            "warmup_epochs": 0.0,
            "dropout": 0.3 if draws else 0.0,
            "augment": draws,
            "seed": seed,
            "distribute": distribute,
            "verbose": 0,
        }
        weights_path = f"{directory}/weights.npz"
        results = run_on_hosts(
            TRAIN,
            [[json.dumps(options), weights_path, order]] * hosts,
            backend=backend,
            devices=devices,
        )
        for result in results:
            if result.returncode:
                sys.exit(result.stderr)
        history = json.loads(results[0].stdout.splitlines()[-1])
        with np.load(weights_path) as saved:
            weights = [saved[name] for name in saved.files]
    return weights, history


def main(benchmark: Benchmark) -> None:
    """Runs all comparisons and writes the table."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        count = benchmark.images_per_class
        data = render_demo_set(
            Path(directory) / "data",
            # 45 do not fill batches, so that the last one is filled up.
            images_per_class={"train": count, "val": 45, "test": 1},
            image_size=benchmark.image_size,
            seed=0,
        )
        run = functools.cache(functools.partial(train, benchmark, data))
        for backend in benchmark.backends:
            for devices, hosts, draws, order in (
                (1, 1, False, "reversed"),
                (2, 1, False, ""),
                (1, 2, False, ""),
                (2, 1, True, ""),
            ):
                histories, differing = [], []
                several_seeds = draws and backend == "tensorflow"
                seeds = range(benchmark.seeds if several_seeds else 1)
                for seed in seeds:
                    common = {"backend": backend, "draws": draws, "seed": seed}
                    one, history_of_one = run(**common)
                    several, history = run(
                        devices=devices, hosts=hosts, order=order, **common
                    )
                    differing.append(differences(one, several))
                    histories.append((history_of_one, history))
                rows.append(
                    [
                        backend,
                        devices * hosts,
                        hosts,
                        "dropout, augmentation" if draws else "none",
                        order or "as ever",
                        f"{np.max(differing):.1e}",
                        f"{np.mean(differing):.1e}",
                        *(
                            "; ".join(
                                f"{one[name][-1]:.4f}, {several[name][-1]:.4f}"
                                for one, several in histories
                            )
                            for name in ("loss", "val_auc")
                        ),
                    ]
                )
                print(*rows[-1], sep="\t", flush=True)
    write_result(
        Path(benchmark.results_dir) / "devices.json",
        title="One device and several",
        what=(
            "The detector after one epoch on "
            f"{2 * count} rendered images of {benchmark.image_size} pixels (alpha "
            f"{benchmark.alpha}, batches of {benchmark.batch_size}, learning rate "
            f"{benchmark.learning_rate:g}, float32, backbone frozen): how far its "
            "weights and BatchNorm statistics are from those trained on one device, "
            "the largest and the mean difference of a weight, and the training loss "
            "and val AUC of both. Devices are virtual ones of one CPU, hosts are "
            "processes on the loopback address."
        ),
        columns=[
            "backend",
            "devices",
            "hosts",
            "random draws",
            "order in a batch",
            "largest difference",
            "mean difference",
            "training loss on one, on these",
            "val AUC on one, on these",
        ],
        rows=rows,
        notes=(
            "What is left are roundings, since sums over a batch are taken in another "
            "order: on one device, too, they change when each batch is turned round "
            "(first row of a backend). Adam divides a gradient by its own size, and "
            "so makes a whole step of the rounding of a gradient near 0. TensorFlow's "
            "synchronized BatchNorm also takes the variance by another formula, as "
            "the difference of two means. On "
            "TensorFlow each device draws dropout and augmentation of its own, so "
            "with them only the losses are alike; they are those of the seeds 0 to "
            f"{benchmark.seeds - 1}."
        ),
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
