"""What a command loads before it works, and what it writes beside its results."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.quiet_start import LOG_LINE, without_log_lines
from test_support.brightness import save_brightness_detector
from tests.backend import NAME, ROOT, run_python

# Runs a command, and says which of the slow modules it has loaded.
RUN = """
import runpy, sys
sys.argv[1:] = {arguments!r}
try:
    runpy.run_module("examples.deepfake_v3", run_name="__main__", alter_sys=True)
except SystemExit:
    pass
slow = {{"keras", "keras_forensics", "tensorflow", "jax", "torch"}}
print("loaded", sorted(slow & sys.modules.keys()))
"""


def write_set(folder):
    for split in ("train", "val", "test"):
        for class_name in ("real", "fake"):
            path = folder / split / class_name
            path.mkdir(parents=True)
            for number in range(2):
                random = np.random.default_rng([len(split), len(class_name), number])
                pixels = random.integers(0, 256, (40, 40, 3), "uint8")
                Image.fromarray(pixels).save(path / f"{number}.png")


@pytest.mark.parametrize(
    "command", ["--help", "train --help", "predict --bad", "audit", "prepare"]
)
def test_what_needs_no_model_loads_no_backend(tmp_path, command):
    arguments = command.split()
    if command == "audit":
        write_set(tmp_path / "data")
        arguments += ["--data-dir", str(tmp_path / "data")]
        arguments += ["--reports-dir", str(tmp_path / "reports")]
    elif command == "prepare":
        write_set(tmp_path / "data")
        sources = tmp_path / "data" / "train"
        arguments += ["--real", str(sources / "real"), "--fake", str(sources / "fake")]
        arguments += ["--output-dir", str(tmp_path / "out")]
    output = run_python(RUN.format(arguments=arguments))
    assert output.endswith("loaded []\n")
    if command == "audit":
        assert (tmp_path / "reports" / "audit.json").is_file()


@pytest.mark.backends
def test_predict_writes_its_table_and_no_log_lines(tmp_path):
    save_brightness_detector(tmp_path / "model.keras", threshold=0.5)
    Image.new("RGB", (64, 64), (200, 10, 30)).save(tmp_path / "image.png")
    environment = {**os.environ, "KERAS_BACKEND": NAME, "PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    command = [sys.executable, "-m", "examples.deepfake_v3", "predict", "image.png"]
    result = subprocess.run(
        [*command, "--model-path", "model.keras"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    heading, row = result.stdout.splitlines()
    assert heading.startswith("verdict") and "  image.png" in row
    assert result.stderr == ""


def test_only_log_lines_are_taken_out(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")  # restored in the end
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    with without_log_lines():
        os.write(2, b"I0000 00:00:1.2  5 cudart_stub.cc:31] no drivers\nreal news\n")
    assert capfd.readouterr().err == "real news\n"


def test_tensorflow_warns_of_no_retracing(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")  # restored in the end
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    logger = logging.getLogger("tensorflow")
    monkeypatch.setattr(logger, "level", logging.WARNING)
    with without_log_lines():
        pass
    assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.ERROR)


def test_log_lines_stay_for_who_asks(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    line = "I0000 00:00:1.2  5 cudart_stub.cc:31] no drivers\n"
    assert LOG_LINE.fullmatch(line.encode())
    with without_log_lines():
        os.write(2, line.encode())
    assert capfd.readouterr().err == line
