"""By how much a step enlarges a process: its outputs, and all that lies between."""

import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import keras
import psutil


def in_own_process(function: Callable[..., float], *arguments) -> float:
    """What a function returns in a process of its own.

    On JAX it is called in two, of which the second finds the programs that the first
    compiled, so that compiling takes no memory in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        processes = 1
        if keras.backend.backend() == "jax":
            # Read when a process imports JAX: of those that begin from here on.
            os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
            os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
            processes = 2
        for _ in range(processes):
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, spawn) as process:
                found = process.submit(function, *arguments).result()
    return found


def measure_memory(step: Callable) -> float:
    """The most MB by which a step enlarges the process, five hundred times a second."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    done = threading.Event()

    def watch():
        nonlocal most
        while not done.wait(0.002):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    step()
    done.set()
    watcher.join()
    return (max(most, process.memory_info().rss) - before) / 1e6
