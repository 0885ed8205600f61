"""The model card beside a model, and the folder for a hub."""

import json
import re
import shutil
from pathlib import Path

import keras
import pytest

from examples.deepfake_v3 import __main__ as command_line
from examples.deepfake_v3.cards.model_card import (
    Training,
    add_evaluation,
    card_path,
    find_limits,
    split_card,
    write_training_card,
)
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.model_files.metadata import Metadata, replace_metadata
from examples.deepfake_v3.options.train import Config
from examples.deepfake_v3.package import package_model
from keras_forensics import __version__
from test_support.brightness import SIZE, save_brightness_model, write_images

METADATA = Metadata(
    package_version=__version__,
    keras_version=keras.__version__,
    image_size=SIZE,
    training_data="ab" * 32,
    threshold=0.25,
    threshold_criterion="youden",
    temperature=2.0,
    val_images=8,
)
LEVELS = ([20, 60, 90, 140], [110, 160, 200, 230])
OTHERS = ([21, 62, 93, 144], [115, 166, 207, 238])


def epochs(*aucs):
    return [{"val_auc": auc, "val_loss": 1 - auc} for auc in aucs]


def write_card(path, data, base=None):
    training = Training(
        command="fine-tune" if base else "train",
        config=Config(data_dir=str(data), weights="/somewhere/weights.h5", seed=7),
        dtype_policy="mixed_float16",
        images=check_data_dir(data),
        stages={path.stem: epochs(0.7, 0.9123, 0.8)},
        base=base,
    )
    write_training_card(path, training, METADATA)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model with its card, evaluated, and its reports."""
    root = tmp_path_factory.mktemp("secret place")
    data, model = root / "my faces", root / "models" / "detector.keras"
    model.parent.mkdir()
    write_images(data, {"train": ([5, 6], [7, 8]), "val": LEVELS, "test": OTHERS})
    save_brightness_model(model)
    replace_metadata(model, METADATA)
    write_card(model, data)
    before = card_path(model).read_text("utf-8")
    results = evaluate_model_v3(
        model_path=str(model),
        data_dir=str(data),
        reports_dir=str(root / "reports"),
        robustness_images=0,
    )
    return root, model, before, results


@pytest.fixture
def copied(made, tmp_path):
    """A copy of the model, its card and its reports, to be changed."""
    root = made[0]
    shutil.copytree(root / "models", tmp_path / "models")
    shutil.copytree(root / "reports", tmp_path / "reports")
    return tmp_path / "models" / "detector.keras", tmp_path / "reports"


def section(text, name):
    return re.search(f"<!-- begin {name} -->(.*)<!-- end {name} -->", text, re.DOTALL)[
        1
    ]


def test_training_says_how_and_on_what_and_that_nothing_is_measured(made):
    _, _, card, _ = made
    training = section(card, "training")
    for told in (
        "`my_faces`: train 2 real, 2 fake; val 4 real, 4 fake; test 4 real, 4 fake",
        METADATA.training_data,
        "val AUC 0.9123 after epoch 2 of 3",
        "0.2500 (youden) and 2.000, chosen on 8 val images",
        f"Keras {keras.__version__} on {keras.backend.backend()}, mixed_float16",
        "seed 7",
        "weights weights.h5",
    ):
        assert told in training
    assert "Not evaluated yet" in section(card, "evaluation")
    assert "not been tested on anything" in section(card, "limits")
    assert "model-index" not in split_card(card)[0]


def test_cards_do_not_say_where_files_are_on_this_machine(made):
    root, model, before, _ = made
    for card in (before, card_path(model).read_text("utf-8")):
        assert root.name not in card and "somewhere" not in card


def test_evaluation_fills_in_what_it_has_measured(made):
    _, model, before, results = made
    card = card_path(model).read_text("utf-8")
    evaluation = section(card, "evaluation")
    assert "Not evaluated" not in evaluation
    for metric in ("auc_roc", "accuracy", "specificity", "recall", "f1_score"):
        each = results["intervals"]["optimal_threshold"][metric]
        assert (
            f"{each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
            in evaluation
        )
    assert "4 real and 4 fake images" in evaluation
    assert section(card, "training") == section(before, "training")
    limits = section(card, "limits")
    assert "compression, blur" in limits and "No groups were known" in limits
    assert "No other data set was tested" in limits


def test_head_is_what_the_hub_library_reads(made):
    hub = pytest.importorskip("huggingface_hub")
    _, model, _, results = made
    card = hub.ModelCard(card_path(model).read_text("utf-8"))
    assert (card.data.library_name, card.data.model_name) == ("keras", "detector")
    measured = {each.metric_type: each for each in card.data.eval_results}
    chosen = results["intervals"]["optimal_threshold"]
    assert measured["roc_auc"].metric_value == chosen["auc_roc"]["value"]
    assert measured["f1"].metric_value == chosen["f1_score"]["value"]
    assert {each.dataset_split for each in measured.values()} == {"test"}
    assert {each.dataset_name for each in measured.values()} == {"my_faces"}
    assert set(card.data.metrics) == set(measured)


def test_head_is_yaml_with_the_fields_of_model_hubs(made):
    head, _ = split_card(card_path(made[1]).read_text("utf-8"))
    (entry,) = head["model-index"]
    (result,) = entry["results"]
    assert set(result) == {"task", "dataset", "metrics"}
    assert {"type", "value", "name"} == set(result["metrics"][0])
    assert head["pipeline_tag"] == "image-classification"
    assert head["license"] == "unknown"


def test_what_people_write_stays(copied, made):
    path, _ = copied
    card = card_path(path)
    text = card.read_text("utf-8").replace("## Limits", "## My own words\n\n## Limits")
    text = text.replace("license: unknown", "license: mit\nlanguage: en")
    card.write_text(text, "utf-8")
    again = {**made[3], "data_dir": "elsewhere"}
    add_evaluation(path, SIZE, again)
    head, body = split_card(card.read_text("utf-8"))
    assert (head["license"], head["language"]) == ("mit", "en")
    assert "## My own words" in body
    assert head["model-index"][0]["results"][0]["dataset"]["name"] == "elsewhere"
    assert "`elsewhere`" in section(body, "evaluation")


def test_new_training_forgets_what_was_measured(copied, made):
    path, _ = copied
    text = card_path(path).read_text("utf-8")
    card_path(path).write_text(text.replace("## Limits", "Mine.\n\n## Limits"), "utf-8")
    write_card(path, made[0] / "my faces")
    head, body = split_card(card_path(path).read_text("utf-8"))
    assert not {"metrics", "model-index"} & head.keys()
    assert "Not evaluated yet" in body and "Mine." in body


def test_fine_tuning_tells_what_came_before(copied, made):
    path, _ = copied
    tuned = path.with_name("tuned.keras")
    # What training leaves beside a model has the same weights, and the same card.
    write_card(tuned, made[0] / "my faces", base=path.with_name("detector_best.keras"))
    training = section(card_path(tuned).read_text("utf-8"), "training")
    assert training.index("`train`") < training.index("`fine-tune`")
    write_card(tuned, made[0] / "my faces", base=path.with_name("unknown.keras"))
    training = section(card_path(tuned).read_text("utf-8"), "training")
    assert training.strip().startswith("Not known.")


def test_limits_follow_from_what_was_measured(made):
    def row(kind, level, auc):
        return {"kind": kind, "level": level, "auc_roc": {"value": auc}}

    rows = [row(None, None, 0.9), row("blur sigma", 1, 0.8), row("noise sigma", 5, 0.6)]
    other = made[3]["cross_data"][0]
    results = {
        **made[3],
        "robustness": {"rows": rows},
        "cross_data": [other, other],
        "intervals": {"group_source": "groups.csv"},
    }
    limits = " ".join(find_limits(results))
    assert "from 0.900 to 0.600 at noise sigma 5" in limits
    for sentence in ("No other data set", "No groups", "No processed images"):
        assert sentence not in limits
        assert sentence in " ".join(find_limits(made[3]))


def test_a_card_that_cannot_be_read_costs_no_evaluation(copied, made, capsys):
    path, reports = copied
    card_path(path).write_text("---\na: [\n---\n")
    results = evaluate_model_v3(
        model_path=str(path),
        data_dir=str(made[0] / "my faces"),
        reports_dir=str(reports),
        robustness_images=0,
        generate_plots=False,
    )
    assert "model card is not up to date" in capsys.readouterr().out
    assert json.loads((reports / "evaluation.json").read_text()) == results


def test_folder_for_a_hub_holds_what_it_should_and_nothing_else(copied, made):
    path, reports = copied
    folder = path.parents[1] / "upload"
    package_model(
        model_path=str(path),
        reports_dir=str(reports),
        output_dir=str(folder),
        license="cc-by-nc-4.0",
        datasets=("someone/faces",),
    )
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    figures = {f"figures/{Path(figure).name}" for figure in made[3]["figures"]}
    assert len(figures) == 5
    assert files == figures | {
        "README.md",
        "LICENSE.md",
        "detector.keras",
        "evaluation.json",
    }
    assert (folder / "detector.keras").read_bytes() == path.read_bytes()
    head, body = split_card((folder / "README.md").read_text("utf-8"))
    assert (head["license"], head["datasets"]) == ("cc-by-nc-4.0", ["someone/faces"])
    assert "No licence has been chosen" not in body
    text = (folder / "evaluation.json").read_text()
    assert made[0].name not in text and ".png" not in text
    assert json.loads(text)["optimal_threshold"] == made[3]["optimal_threshold"]


def test_folder_is_refused_if_it_exists_or_the_evaluation_is_of_another(copied):
    path, reports = copied
    options = {"model_path": str(path), "license": "mit", "reports_dir": str(reports)}
    with pytest.raises(FileExistsError, match=r"`output_dir` must be a new folder"):
        package_model(**options, output_dir=str(reports))
    folder = path.parents[1] / "upload"
    save_brightness_model(path, bias=0.1)
    replace_metadata(path, METADATA)
    with pytest.raises(ValueError, match="evaluation of other weights"):
        package_model(**options, output_dir=str(folder))
    (reports / "evaluation.json").unlink()
    with pytest.raises(FileNotFoundError, match="`reports_dir` must hold"):
        package_model(**options, output_dir=str(folder))
    assert not folder.exists()


def test_folder_is_whole_or_not_there(copied):
    path, reports = copied
    next((reports / "figures").iterdir()).unlink()
    folder = path.parents[1] / "upload"
    command = ["package", "--model-path", str(path), "--reports-dir", str(reports)]
    with pytest.raises(SystemExit, match="figures"):
        command_line.main(
            [*command, "--output-dir", str(folder), "--license", "apache-2.0"]
        )
    assert not folder.exists()
    assert {p.name for p in path.parents[1].iterdir()} == {"models", "reports"}
