"""Folders as people have them: what was found, and the command that makes it right."""

import shlex

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.fine_tune import fine_tune_v3
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.layout import class_of, find_layout
from examples.deepfake_v3.prepare import prepare_data_dir
from examples.deepfake_v3.train_model import train_model_v3

SPLITS = ("train", "val", "test")


def write(root, folders, images=1):
    rng = np.random.default_rng(0)
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(images):
            pixels = rng.integers(0, 256, (16, 16, 3), "uint8")
            Image.fromarray(pixels).save(root / folder / f"{index}.png")


@pytest.mark.parametrize(
    ("folders", "real", "fake"),
    [
        (
            [f"{split}/{name}" for split in SPLITS for name in ("Real", "FAKE")],
            ["test/Real", "train/Real", "val/Real"],
            ["test/FAKE", "train/FAKE", "val/FAKE"],
        ),
        (["0_real", "1_fake"], ["0_real"], ["1_fake"]),
        (["train/0_real", "train/1_fake"], ["train/0_real"], ["train/1_fake"]),
        (["set/Real", "set/Fake"], ["set/Real"], ["set/Fake"]),
        (
            ["valid/real", "valid/fake", "train/real", "train/fake"],
            ["train/real", "valid/real"],
            ["train/fake", "valid/fake"],
        ),
        (["original images", "AI_images"], ["original images"], ["AI_images"]),
    ],
)
def test_other_layouts_are_named_with_the_command_for_them(
    tmp_path, folders, real, fake
):
    root = tmp_path / "my data"
    write(root, folders)
    with pytest.raises(FileNotFoundError) as caught:
        check_data_dir(root)
    (command,) = (
        part for part in str(caught.value).split(": ") if part.startswith("python -m")
    )
    words = shlex.split(command.split(" (To keep")[0].split(" Received")[0])
    at = [words.index(name) for name in ("--real", "--fake", "--output-dir")]
    assert words[at[0] + 1 : at[1]] == [str(root / folder) for folder in real]
    assert words[at[1] + 1 : at[2]] == [str(root / folder) for folder in fake]
    assert words[at[2] + 1] == str(tmp_path / "my data_prepared")


@pytest.mark.parametrize("here", [".", "../data/."])
def test_the_working_directory_has_a_name_to_put_the_result_beside(
    tmp_path, monkeypatch, here
):
    write(tmp_path / "data", ["Real", "Fake"])
    monkeypatch.chdir(tmp_path / "data")
    said = find_layout(here).describe()
    assert "--real Real --fake Fake" in said.replace("../data/", "")
    assert "data_prepared" in said


@pytest.mark.parametrize("train", [train_model_v3, fine_tune_v3])
def test_training_looks_at_the_folders_before_it_loads_anything(tmp_path, train):
    write(tmp_path / "data", ["0_real", "1_fake"])
    with pytest.raises(FileNotFoundError, match="Found are real: 0_real; fake: 1_fake"):
        train(data_dir=str(tmp_path / "data"), log_dir=str(tmp_path / "logs"))


def test_the_command_that_is_given_makes_it_right(tmp_path):
    root = tmp_path / "data"
    write(root, ["train/REAL", "train/1_fake"], images=12)
    layout = find_layout(root)
    prepare_data_dir(
        real=tuple(str(root / folder) for folder in layout.classes["real"]),
        fake=tuple(str(root / folder) for folder in layout.classes["fake"]),
        output_dir=str(tmp_path / "clean"),
    )
    assert {split: len(i) for split, i in check_data_dir(tmp_path / "clean").items()}


def test_what_is_of_no_class_is_named(tmp_path, capsys):
    write(tmp_path, ["Real", "Fake", "Unsure"])
    with pytest.raises(FileNotFoundError, match="Not of a class: Unsure"):
        check_data_dir(tmp_path)
    root = tmp_path / "right"
    write(root, [f"test/{name}" for name in ("real", "fake", "cartoons")])
    check_data_dir(root, ("test",))
    assert f"Not used: {root}/test/cartoons" in capsys.readouterr().out


def test_a_directory_without_classes_says_what_it_holds(tmp_path):
    write(tmp_path, ["cats", "dogs"])
    with pytest.raises(FileNotFoundError, match="holds cats, dogs, and no folder of"):
        check_data_dir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        check_data_dir(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0_real", "real"),
        ("1-Fake", "fake"),
        ("REAL_IMAGES", "real"),
        ("surreal", None),
        ("0", None),
        ("fakery", None),
    ],
)
def test_names_stand_for_a_class_or_for_none(name, expected):
    assert class_of(name) == expected
