import os
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from examples.deepfake_v3.files import files
from examples.deepfake_v3.files.files import (
    alone_in,
    check_room,
    replacing,
    replacing_folder,
)
from tests.backend import ROOT, run_python


def test_new_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path = tmp_path / "model.bin"
    seen = []

    def flush(descriptor):
        target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        seen.append((target.name, path.exists()))

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs Linux's /proc")
    monkeypatch.setattr(files.os, "fsync", flush)
    with replacing(path) as partial:
        partial.write_bytes(b"new")
    assert seen == [(".partial-model.bin", False), (tmp_path.name, True)]


def test_failed_write_names_the_file_and_leaves_the_old_one(tmp_path):
    path = tmp_path / "new" / "model.bin"
    with replacing(path) as partial:
        partial.write_bytes(b"old")
    with (
        pytest.raises(OSError, match=r"Could not write .*model\.bin: quota exceeded"),
        replacing(path) as partial,
    ):
        partial.write_bytes(b"half of the n")
        raise OSError("quota exceeded")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_failure_of_another_kind_stays_what_it_is(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "model.bin"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "exports" / "model"
    for number in (1, 2):
        with replacing_folder(path) as partial:
            (partial / "variables").mkdir()
            (partial / "variables" / f"{number}.bin").write_bytes(b"whole")
    assert [file.name for file in path.rglob("*.bin")] == ["2.bin"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("quota exceeded"), ZeroDivisionError()])
def test_failed_folder_leaves_the_old_one(tmp_path, error):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old.bin").write_bytes(b"old")
    # As a killed process leaves it.
    (tmp_path / ".partial-model").mkdir()
    (tmp_path / ".partial-model" / "stale.bin").write_bytes(b"half of")
    with pytest.raises(type(error)), replacing_folder(path) as partial:
        assert not list(partial.iterdir())
        (partial / "new.bin").write_bytes(b"half of the n")
        raise error
    assert [file.name for file in tmp_path.rglob("*")] == ["model", "old.bin"]


@pytest.fixture
def free(monkeypatch):
    """Sets the bytes that are free on every disk."""

    def set_free(count):
        usage = types.SimpleNamespace(free=count)
        monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)

    return set_free


def test_room_is_needed_for_all_files_and_for_the_largest_twice(tmp_path, free):
    sizes = {tmp_path / "a" / "state.npz": 3000, tmp_path / "b" / "model.keras": 1000}
    free(7000)
    check_room(sizes)
    free(6999)
    with pytest.raises(
        OSError, match=rf"{tmp_path}/a, {tmp_path}/b: it needs 7,000 bytes, 6,999 are"
    ):
        check_room(sizes)


def test_files_of_an_interrupted_run_count_as_written(tmp_path, free):
    (tmp_path / "state.npz").write_bytes(bytes(2900))
    free(3100)
    check_room({tmp_path / "state.npz": 3000})


def test_check_for_room_leaves_nothing_behind(tmp_path):
    check_room({tmp_path / "state.npz": 3000})
    assert not list(tmp_path.iterdir())


def test_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"Cannot write in .*file/logs: .*elsewhere"):
        check_room({tmp_path / "file" / "logs" / "state.npz": 1})


SMALL_DISK = """
from pathlib import Path
import pytest
from examples.deepfake_v3.files.files import alone_in, check_room, replacing

with replacing("DISK/state.npz") as partial:
    partial.write_bytes(bytes(100_000))
with pytest.raises(OSError, match="it needs 300,000 bytes, .* are free"):
    check_room({Path("DISK/state.npz"): 200_000})
with pytest.raises(OSError, match=r"state\\.npz: .*No space left"):
    with replacing("DISK/state.npz") as partial:
        partial.write_bytes(bytes(400_000))
assert [path.name for path in Path("DISK").iterdir()] == ["state.npz"]
assert Path("DISK/state.npz").stat().st_size == 100_000
"""

READ_ONLY_DISK = """
from pathlib import Path
import pytest
from examples.deepfake_v3.files.files import alone_in, check_room

with pytest.raises(OSError, match="Cannot write in DISK: .*Read-only"):
    check_room({Path("DISK/state.npz"): 1})
with pytest.raises(OSError, match="Cannot write in DISK: .*Read-only"):
    with alone_in("DISK"):
        pass
"""


@pytest.mark.parametrize(
    ("options", "code"), [("size=256k", SMALL_DISK), ("ro", READ_ONLY_DISK)]
)
def test_real_disk_that_is_full_or_read_only(tmp_path, options, code):
    mount = f"mount -t tmpfs -o {options} tmpfs {tmp_path}"
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, mount], capture_output=True).returncode
    ):
        pytest.skip("may not mount a disk here")
    result = subprocess.run(
        [
            *unshare,
            f'{mount} && exec "$0" -c "$1"',
            sys.executable,
            code.replace("DISK", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


LOCK = """
import os
from examples.deepfake_v3.files.files import alone_in
with alone_in(os.environ["LOGS"]):
    print("alone", flush=True)
    if os.environ.get("STAY"):
        input()
"""


def test_second_run_in_a_log_directory_is_refused(tmp_path):
    with alone_in(tmp_path):
        with (
            pytest.raises(OSError, match=rf"Another run .*log_dir='{tmp_path}'"),
            alone_in(tmp_path),
        ):
            pass
        with pytest.raises(AssertionError, match="Another run is writing"):
            run_python(LOCK, LOGS=str(tmp_path))
    assert run_python(LOCK, LOGS=str(tmp_path)) == "alone\n"


def test_killed_run_does_not_block_the_next(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", LOCK],
        cwd=ROOT,
        env={**os.environ, "LOGS": str(tmp_path), "STAY": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "alone\n"
        with pytest.raises(OSError, match="Another run"), alone_in(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with alone_in(tmp_path):
        pass
