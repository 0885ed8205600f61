import ast
import dataclasses
import inspect
import itertools
from pathlib import Path

import numpy as np
import pytest

from examples.deepfake_v3 import __main__ as command_line
from examples.deepfake_v3.errors import UserError
from examples.deepfake_v3.exporting.parity import ParityError
from examples.deepfake_v3.loading.images import UnusableImageError
from examples.deepfake_v3.loading.inputs import check_pixels
from examples.deepfake_v3.loading.lost_images import LostImagesError
from examples.deepfake_v3.model_files.metadata import MetadataError


@pytest.mark.parametrize("command", command_line.COMMANDS)
def test_every_command_has_a_help(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        command_line.main([command, "--help"])
    assert exit_.value.code == 0
    assert f"python -m examples.deepfake_v3 {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", command_line.COMMANDS)
def test_every_option_is_described(command):
    config_class, _ = command_line.COMMANDS[command]
    described = set()
    for base in config_class.__mro__[:-1]:
        body = ast.parse(inspect.getsource(base)).body[0].body
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                described.add(field.target.id)
    assert {field.name for field in dataclasses.fields(config_class)} <= described


def test_options_reach_the_configuration(monkeypatch):
    seen = []
    config_class, _ = command_line.COMMANDS["fine-tune"]
    monkeypatch.setitem(command_line.COMMANDS, "fine-tune", (config_class, seen.append))
    command_line.main(
        "fine-tune --epochs 1 2 3 --unfreeze 10 None None --no-augment".split()
    )
    (config,) = seen
    assert config.epochs == (1, 2, 3)
    assert config.unfreeze == (10, None, None)
    assert config.augment is False


def test_bad_input_is_one_line_and_not_a_traceback(tmp_path):
    with pytest.raises(SystemExit, match=r"error: `data_dir` must hold"):
        command_line.main(
            ["train", "--weights", "None", "--data-dir", str(tmp_path / "nowhere")]
        )


def run_instead(monkeypatch, run):
    config_class, _ = command_line.COMMANDS["evaluate"]
    monkeypatch.setitem(command_line.COMMANDS, "evaluate", (config_class, run))
    command_line.main(["evaluate"])


def subclasses(error):
    for each in error.__subclasses__():
        yield each
        yield from subclasses(each)


@pytest.mark.parametrize(
    "error", sorted(subclasses(UserError), key=lambda error: error.__name__)
)
def test_what_a_user_can_mend_is_one_line_wherever_it_comes_from(error, monkeypatch):
    def fail(config):
        raise error("do this instead")

    with pytest.raises(SystemExit) as exit_:
        run_instead(monkeypatch, fail)
    assert exit_.value.code == "error: do this instead"


@pytest.mark.parametrize(
    ("error", "built_in"),
    [
        (UnusableImageError, ValueError),
        (MetadataError, ValueError),
        (ParityError, ValueError),
        (LostImagesError, OSError),
    ],
)
def test_what_a_user_can_mend_is_also_a_built_in_error(error, built_in):
    assert issubclass(error, UserError) and issubclass(error, built_in)


def test_mistakes_of_the_code_keep_their_traceback(monkeypatch):
    with pytest.raises(ValueError, match="must be an image of shape"):
        run_instead(monkeypatch, lambda config: check_pixels(np.zeros((2, 2))))


def test_a_name_that_no_file_can_have_is_one_line(monkeypatch):
    with pytest.raises(SystemExit) as exit_:
        run_instead(monkeypatch, lambda config: Path("x" * 300).stat())
    assert exit_.value.code == f"error: File name too long: {'x' * 80!r}…"


def test_unforeseen_errors_keep_their_traceback(monkeypatch):
    def fail(config):
        raise ValueError("from somewhere else")

    config_class, _ = command_line.COMMANDS["evaluate"]
    monkeypatch.setitem(command_line.COMMANDS, "evaluate", (config_class, fail))
    with pytest.raises(ValueError, match="from somewhere else"):
        command_line.main(["evaluate"])
