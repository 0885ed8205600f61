"""Data parallelism: each device takes its part of every batch.

Keras leaves this to its backends, and neither way does anything on another: on JAX it
is `keras.distribution.DataParallel`, on TensorFlow a `tf.distribute` strategy. Both are
entered by `distributed`; the rest of this module sees to it that training then does
what it does on one device.
"""

import collections
import contextlib
import contextvars
import dataclasses
import functools
import io
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, get_args

import keras
import numpy as np
from keras import ops

from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.loading.pipeline import Share
from examples.deepfake_v3.model_files.saving import synchronized, tensorflow_replicas
from examples.deepfake_v3.options.choices import Distribute

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """The devices that train together.

    Attributes:
        strategy: What Keras's variables and batches are distributed with, if they are.
        devices: Devices of all hosts.
        hosts: Processes, one on each host.
        host: Number of this one; 0 is the chief.
        scratch: Where hosts other than the chief write.
    """

    strategy: Any = None
    devices: int = 1
    hosts: int = 1
    host: int = 0
    scratch: Path | None = None

    @property
    def share(self) -> Share | None:
        """What this host loads of every batch; `None` on a single device."""
        return None if self.strategy is None else Share(self.host, self.hosts)

    def output(self, path: Path) -> Path:
        """Where this host writes what the chief writes to `path`.

        All hosts do the same, so that they read back the same; what the others write
        goes with them.
        """
        if self.scratch is None:
            return path
        return self.scratch.joinpath(*path.absolute().parts[1:])

    def found_output(self, path: Path) -> Path:
        """`output(path)`, with what an earlier run left in `path`."""
        output = self.output(path)
        if output != path:
            if path.is_dir():
                shutil.copytree(path, output, dirs_exist_ok=True)
            elif path.exists():
                output.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, output)
        return output

    def check_agreement(
        self, settings: Any, model: keras.Model, log_dir: Path, best_path: Path
    ) -> None:
        """Waits until all hosts are here, and refuses to go on if they differ.

        Args:
            settings: What decides the result.
            model: The model, whose weights are compared.
            log_dir: The stage's directory from `found_output`.
            best_path: Its best model, likewise.

        Raises:
            ValueError: If anything differs on another host.
        """
        if self.hosts == 1:
            return
        weights = b"".join(weight.tobytes() for weight in model.get_weights())
        facts = {
            "settings or images": settings,
            "weights to start from": zlib.crc32(weights),
            "output of an earlier run": [
                (path.name, path.stat().st_size)
                for path in [best_path, *sorted(log_dir.rglob("*"))]
                if path.is_file()
            ],
        }
        # 24 bits are exact in float32, which every kind of device can gather.
        mine = [zlib.crc32(repr(fact).encode()) % 2**24 for fact in facts.values()]
        everyone = self._gather(np.asarray(mine, "float32"))
        differing = [
            name
            for name, column in zip(facts, everyone.T, strict=True)
            if len(set(column)) > 1
        ]
        if differing:
            raise InputError(
                f"The hosts differ in: {', '.join(differing)}. Give all of them the "
                "same command, images, model and versions; to go on with an earlier "
                "run, they must all be able to read its logs and models. "
                f"Received: host={self.host}, { ({n: facts[n] for n in differing}) }"
            )

    def _gather(self, row: np.ndarray) -> np.ndarray:
        """`(hosts, n)`, the rows of length `n` of all hosts."""
        if keras.backend.backend() == "jax":
            from jax.experimental import multihost_utils

            return np.asarray(multihost_utils.process_allgather(row))
        import tensorflow as tf

        rows = tf.function(self.strategy.run)(lambda: tf.constant(row[None]))
        return np.asarray(self.strategy.gather(rows, axis=0))

    def distribute(self, dataset, batch_size: int):
        """The dataset as `fit` wants it.

        Args:
            dataset: From `make_dataset`, of this host's share of every batch.
            batch_size: Images of a whole batch.
        """
        if keras.backend.backend() != "tensorflow" or self.strategy is None:
            return dataset
        if not hasattr(dataset, "rebatch"):
            raise InputError(
                "On TensorFlow, several devices are fed from `pipeline='tf'`. Received "
                f"a dataset of another: {type(dataset).__name__}"
            )
        return self.strategy.distribute_datasets_from_function(
            lambda _: dataset.rebatch(batch_size // self.devices)
        )


_current = contextvars.ContextVar("cluster", default=Cluster())  # noqa: B039 (frozen)


def current_cluster() -> Cluster:
    """The cluster of the `distributed` block that this runs in, or a single device."""
    return _current.get()


@contextlib.contextmanager
def distributed(distribute: Distribute, batch_size: int) -> Iterator[None]:
    """What is built and trained inside is so on several devices.

    With `"hosts"`, it must come before anything is computed. Hosts other than the
    first print nothing but errors.

    Args:
        distribute: `"none"`, `"devices"` (of this host) or `"hosts"` (all devices of
            several hosts, each running the same command).
        batch_size: Images of a whole batch, of which every device takes its part.

    Raises:
        ValueError: If that would change nothing, or cannot be done.
    """
    if distribute == "none":
        yield
        return
    cluster = _connect(distribute)
    if batch_size % cluster.devices:
        raise InputError(
            f"`batch_size` must be a multiple of the {cluster.devices} devices that "
            f"share a batch. Received: batch_size={batch_size}"
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(cluster.strategy.scope())
        if cluster.host > 0:
            scratch = stack.enter_context(tempfile.TemporaryDirectory())
            cluster = dataclasses.replace(cluster, scratch=Path(scratch))
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.callback(_current.reset, _current.set(cluster))
        yield


def on_one_device(function: Callable[[], Result]) -> Result:
    """Calls a function that knows nothing of the `distributed` block around it.

    Strategies, distributions and the cluster belong to a thread.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def _connect(distribute: Distribute) -> Cluster:
    if distribute not in get_args(Distribute):
        raise InputError(
            f"`distribute` must be one of {get_args(Distribute)}. "
            f"Received: distribute={distribute!r}"
        )
    match keras.backend.backend():
        case "jax":
            cluster = _connect_jax(distribute)
        case "tensorflow":
            cluster = _connect_tensorflow(distribute)
        case backend:
            raise InputError(
                f"Keras trains on one device only with the {backend} backend. Set "
                "KERAS_BACKEND=jax or tensorflow, or leave out `distribute`. "
                f"Received: distribute={distribute!r}"
            )
    if cluster.devices < 2:
        raise InputError(
            "There is only one device, so that `distribute` would do nothing. Leave it "
            "out, or look why the others are not seen (drivers, CUDA_VISIBLE_DEVICES). "
            f"Received: distribute={distribute!r}"
        )
    return cluster


def _connect_jax(distribute: Distribute) -> Cluster:
    import jax

    if distribute == "hosts" and not jax.distributed.is_initialized():
        try:
            keras.distribution.initialize()
        except (ValueError, RuntimeError) as error:
            raise _no_cluster(
                "KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES "
                f"and KERAS_DISTRIBUTION_PROCESS_ID on every host. JAX says: {error}"
            ) from error
    if distribute == "hosts" and jax.process_count() < 2:
        raise _no_cluster(
            "KERAS_DISTRIBUTION_NUM_PROCESSES to at least 2 on every host"
        )
    of_host = collections.Counter(device.process_index for device in jax.devices())
    if len(set(of_host.values())) > 1:
        raise InputError(
            "All hosts must have as many devices, since they share batches evenly. "
            f"Received: devices of each host={dict(of_host)}"
        )
    return Cluster(
        strategy=keras.distribution.DataParallel(auto_shard_dataset=False),
        devices=jax.device_count(),
        hosts=jax.process_count(),
        host=jax.process_index(),
    )


def _connect_tensorflow(distribute: Distribute) -> Cluster:
    if distribute == "hosts":
        config = json.loads(os.environ.get("TF_CONFIG", "{}"))
        jobs = config.get("cluster", {})
        if set(jobs) != {"worker"} or len(jobs["worker"]) < 2:
            raise _no_cluster(
                "TF_CONFIG on every host, with two or more addresses under "
                "cluster/worker and no other jobs"
            )
        hosts, host = len(jobs["worker"]), int(config["task"]["index"])
    else:
        hosts, host = 1, 0
    strategy = _tensorflow_strategy(distribute)
    return Cluster(
        strategy=strategy,
        devices=strategy.num_replicas_in_sync,
        hosts=hosts,
        host=host,
    )


@functools.cache  # those of a second strategy take its messages for the first one's
def _tensorflow_strategy(distribute: Distribute):
    import tensorflow as tf

    if distribute == "devices":
        list_devices = tf.config.list_logical_devices
        devices = list_devices("GPU") or list_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise _no_cluster(
            f"TF_CONFIG before TensorFlow computes anything. TensorFlow says: {error}"
        ) from error


def _no_cluster(what: str) -> InputError:
    return InputError(
        f"`distribute='hosts'` needs a cluster of hosts: set {what}. See "
        "docs/guides/several-devices.md. Received: distribute='hosts'"
    )


class DataParallelModel(keras.Model):
    """A model that `fit` trains on several devices as it would on one.

    JAX computes on whole batches, wherever their parts are, so there it is so by
    itself. TensorFlow runs a step on the part of each device, a "replica".
    """

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.hosts = current_cluster().hosts  # replicas run in threads of their own
        if tensorflow_replicas() > 1:
            _sum_gradients_first(self.optimizer)
            for layer in self._flatten_layers():
                for generator in layer._seed_generators:
                    _draw_for_replica(generator)

    def fit(self, *args, **kwargs):
        with synchronized(self, tensorflow_replicas() > 1):
            return super().fit(*args, **kwargs)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        # Images of weight 0 fill up the last batch of validation. Other weights, those
        # of the classes, are for the loss alone.
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight > 0, "float32")
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        if self.hosts > 1 and keras.backend.backend() == "tensorflow":
            # Keras 3.15 takes the mean of what the replicas return over axis 0, which
            # scalars do not have: https://github.com/keras-team/keras/issues/20585
            logs = {name: ops.expand_dims(value, 0) for name, value in logs.items()}
        return logs

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Called by Keras on TensorFlow, to build metrics from the shapes of a batch.
        # Its own asks MultiWorkerMirroredStrategy for the mean of a tuple: an error.
        if tensorflow_replicas() > 1:
            _, _, batches = next(iter(iterator))
            self._symbolic_build(
                data_batch=keras.tree.map_structure(
                    lambda parts: self.distribute_strategy.experimental_local_results(
                        parts
                    )[0],
                    next(batches),
                )
            )


def _sum_gradients_first(optimizer: keras.optimizers.Optimizer) -> None:
    """Lets a TensorFlow optimizer see the gradients of all replicas together.

    Keras sums them only after it has clipped them on each replica, and after it has
    looked for overflow (mixed_float16) on the first alone.
    """
    import tensorflow as tf

    apply = optimizer.apply

    def apply_sum(grads, trainable_variables=None):
        replica = tf.distribute.get_replica_context()
        return apply(replica.all_reduce("SUM", list(grads)), trainable_variables)

    optimizer.apply = apply_sum
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = list


def _draw_for_replica(generator: keras.random.SeedGenerator) -> None:
    """Gives each replica draws of its own; Keras gives all of them the same."""
    import tensorflow as tf

    if "next" in vars(generator):
        return  # compiled in an earlier stage
    draw = generator.next

    def draw_for_replica(ordered=True):
        seed = draw(ordered)
        replica = tf.distribute.get_replica_context()
        if replica is None:
            return seed
        # A seed is two numbers, the first of which Keras never changes.
        number = tf.cast(replica.replica_id_in_sync_group, seed.dtype)
        return seed + tf.stack([1_000_003 * number, tf.zeros_like(number)])

    generator.next = draw_for_replica
