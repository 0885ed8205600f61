"""Code run on several hosts, which are processes here, and on virtual devices."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PREPARE = """
import os
import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * int(os.environ["DEVICES"]),
    )
"""


def run_on_hosts(
    code: str,
    arguments: Sequence[Sequence[str]],
    *,
    backend: str,
    devices: int = 1,
    cwds: Sequence[Path] | None = None,
) -> list[subprocess.CompletedProcess]:
    """Runs code in a process for each host, all at the same time.

    Args:
        code: Python, run after Keras has got its devices. `os` and `keras` are
            imported; `HOST` in the environment is the number of the host.
        arguments: `sys.argv[1:]` of each host.
        backend: Keras's backend.
        devices: Virtual devices of each host.
        cwds: Working directory of each host.

    Returns:
        What became of each host, with its output as text.
    """
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(len(arguments))]

    def run(host: int) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", PREPARE + code, *arguments[host]],
            cwd=cwds[host] if cwds else None,
            env=os.environ | _environment(host, addresses, backend, devices),
            capture_output=True,
            text=True,
        )

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(run, range(len(arguments))))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _environment(host, addresses, backend, devices) -> dict[str, str]:
    environment = {
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "DEVICES": str(devices),
        "HOST": str(host),
    }
    if len(addresses) > 1:
        cluster = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": host},
        }
        environment |= {
            "TF_CONFIG": json.dumps(cluster),
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": addresses[0],
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(addresses)),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(host),
        }
    return environment


def differences(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> np.ndarray:
    """How much each weight differs, all in one vector."""
    return np.concatenate(
        [np.abs(x - y).ravel() for x, y in zip(a, b, strict=True)], dtype="float64"
    )
