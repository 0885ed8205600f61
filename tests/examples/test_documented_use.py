"""What recipe and guides say about the example: calls, commands and defaults.

Blocks whose fence says `{test="scaled-down"}` are run here as they stand, with a small
backbone, one epoch a stage and a few images.
"""

import re
import shlex

import numpy as np
import pytest
from PIL import Image
from pytest_examples import find_examples

from examples.deepfake_v3 import __main__ as command_line
from examples.deepfake_v3 import train_model
from examples.deepfake_v3.calibrate_model import calibrate_model_v3
from examples.deepfake_v3.demo_set import render_demo_set
from examples.deepfake_v3.options.fine_tune import FineTuneConfig
from examples.deepfake_v3.options.train import Config
from examples.deepfake_v3.training import stages
from examples.deepfake_v3.training.stage import Stage
from test_support.brightness import save_brightness_model, write_images
from tests.backend import ROOT

DOCS = ROOT / "docs"
SHELL = [
    (page.relative_to(ROOT).as_posix(), arguments)
    for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    for arguments in re.findall(r"-m examples\.deepfake_v3 ([^&\n]+)", block)
]


@pytest.fixture
def scaled_down(tmp_path, monkeypatch, small_backbone, eager_training):
    """Makes what takes hours take seconds."""
    monkeypatch.chdir(tmp_path)
    for module in (train_model, stages):
        monkeypatch.setattr(
            module,
            "Stage",
            lambda **options: Stage(**options | {"epochs": 1, "batch_size": 4}),
        )


def run_blocks(page, first=""):
    """Runs the scaled-down blocks of a page in order, that with `first` before all.

    Returns:
        Their global variables together.
    """
    blocks = [
        example
        for example in find_examples(DOCS / page)
        if example.prefix_settings().get("test") == "scaled-down"
    ]
    assert blocks
    found = {}
    for block in sorted(blocks, key=lambda block: first not in block.source):
        exec(compile(block.source, str(block), "exec"), found)
    return found


def test_calls_of_the_recipe_run(scaled_down, tmp_path):
    render_demo_set(
        "data/processed",
        images_per_class={"train": 8, "val": 4, "test": 4},
        image_size=64,
    )
    found = run_blocks("recipe.md")
    assert {"train_model_v3", "fine_tune_v3", "evaluate_model_v3"} <= found.keys()
    assert len(found["all_history"]) == len(FineTuneConfig().epochs)
    assert (tmp_path / "models" / "deepfake_detector_v3_final.keras").is_file()
    assert (tmp_path / "reports" / "evaluation.json").is_file()
    card = (tmp_path / "models" / "deepfake_detector_v3_final.md").read_text("utf-8")
    assert "`train`" in card and "`fine-tune`" in card and "model-index" in card
    run_blocks("guides/explain.md")
    assert (tmp_path / "explanation.png").is_file()


def test_calls_of_the_data_guide_run(scaled_down, tmp_path):
    random = np.random.default_rng(0)
    for folder in ("faces/original", "faces/swapped", "celeb/real", "celeb/fake"):
        for number in range(10):
            video = tmp_path / folder / f"{folder[-4:]}{number}"
            video.mkdir(parents=True)
            pixels = random.integers(0, 256, (40, 48, 3), "uint8")
            Image.fromarray(pixels).save(video / "frame.png")
    # What is audited there is prepared further down.
    found = run_blocks("guides/data.md", first="prepare_data_dir")
    assert (tmp_path / "data" / "processed" / "manifest.csv").is_file()
    assert found["result"]["counts"]


def test_calls_of_the_predict_guide_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "holiday/01.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40), (200, 200, 200)).save(tmp_path / name)
    model = tmp_path / "models" / "deepfake_detector_v3_final.keras"
    model.parent.mkdir()
    save_brightness_model(model)
    write_images(tmp_path / "data", {"val": ([25, 51], [102, 104])})
    calibrate_model_v3(model_path=str(model), data_dir=str(tmp_path / "data"))
    found = run_blocks("guides/predict.md")
    assert [each.verdict for each in found["predictions"]] == ["fake", "fake"]


@pytest.mark.parametrize(("page", "arguments"), SHELL)
def test_commands_are_understood(page, arguments, monkeypatch):
    seen = []
    for name, (config_class, _) in command_line.COMMANDS.items():
        entry = (config_class, seen.append)
        monkeypatch.setitem(command_line.COMMANDS, name, entry)
    command_line.main(shlex.split(arguments))
    assert len(seen) == 1


def test_recipe_names_the_defaults():
    recipe = (DOCS / "recipe.md").read_text("utf-8")
    tuning = FineTuneConfig()
    stages = zip(tuning.unfreeze, tuning.learning_rates, tuning.epochs, strict=True)
    for number, (last, rate, epochs) in enumerate(stages, start=1):
        layers = "all" if last is None else f"last {last}"
        exponent = f"{rate:.0e}".replace("e-0", "e-")
        assert f"| {number} | {layers} | {exponent} | {epochs} |" in recipe
    assert f"The batch size is {tuning.batch_size}." in recipe
    assert f"    batch_size={Config().batch_size},\n" in recipe
    assert f"    epochs={Config().epochs},\n" in recipe
    budget = " ".join((DOCS / "t4-budget.md").read_text("utf-8").split())
    epochs = " + ".join(map(str, tuning.epochs))
    assert f"{Config().epochs} epochs with a frozen backbone, then {epochs}" in budget
