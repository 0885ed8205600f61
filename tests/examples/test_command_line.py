import ast
import dataclasses
import inspect
import itertools

import pytest

from examples.deepfake_v3 import __main__ as command_line


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


def test_unforeseen_errors_keep_their_traceback(monkeypatch):
    def fail(config):
        raise ValueError("from somewhere else")

    config_class, _ = command_line.COMMANDS["evaluate"]
    monkeypatch.setitem(command_line.COMMANDS, "evaluate", (config_class, fail))
    with pytest.raises(ValueError, match="from somewhere else"):
        command_line.main(["evaluate"])
