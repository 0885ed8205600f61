import csv
import json
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.cards.model_card import find_limits
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.loading.data import CLASS_NAMES
from examples.deepfake_v3.loading.images import crop_to_size, read_image
from examples.deepfake_v3.pages.card import judge

SIZE = 32


def save_brightness_model(path, slope=6.0):
    """Saves a model whose score is a sigmoid of the mean grey level, .5 at 128."""
    images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    kernel = keras.initializers.Constant(slope / 3)
    score = keras.layers.Dense(1, "sigmoid", kernel_initializer=kernel)(x)
    keras.Model(images, score).save(path)


def write_split(root, split, count, seed):
    """Noisy images, fakes brighter on the whole; a group for each two of a class."""
    rng = np.random.default_rng(seed)
    rows = []
    for label, name in enumerate(CLASS_NAMES):
        (root / split / name).mkdir(parents=True)
        for index in range(count):
            level = rng.normal(110 + 36 * label, 30)
            pixels = rng.normal(level, 4, (SIZE + 8, SIZE, 3)).clip(0, 255)
            file = f"{split}/{name}/{index}.png"
            Image.fromarray(pixels.astype("uint8")).save(root / file)
            rows.append((file, f"{split}-{name}-{index // 2}"))
    return rows


def write_groups(root, rows):
    with (root / "groups.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "group"), *rows])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An evaluation with everything, its reports and its options."""
    root = tmp_path_factory.mktemp("card")
    data, other = root / "<data>", root / "other"
    rows = write_split(data, "val", 20, 0) + write_split(data, "test", 20, 1)
    write_groups(data, rows)
    write_split(other, "test", 15, 2)
    (other / "test/real/broken.png").write_bytes(b"no image")
    save_brightness_model(root / "model.keras")
    save_brightness_model(root / "weak.keras", slope=-1.0)
    options = {
        "model_path": str(root / "model.keras"),
        "data_dir": str(data),
        "reports_dir": str(root / "reports"),
        "test_dirs": (str(other),),
        "compare_to": str(root / "weak.keras"),
        "robustness_images": 4,
    }
    return evaluate_model_v3(**options), root / "reports", options


def test_page_needs_no_other_file(made):
    page = (made[1] / "card.html").read_text("utf-8")
    assert not re.search(r"<script|<link|https?://|src=\"(?!data:)|url\(", page)
    assert "width=device-width" in page and "prefers-color-scheme: dark" in page
    assert page.count("data:image/png;base64,") == 5
    assert page.count("data:image/jpeg;base64,") == sum(
        len(each["images"]) for each in made[0]["worst_errors"].values()
    )


def test_names_of_files_and_folders_cannot_become_markup(made):
    page = (made[1] / "card.html").read_text("utf-8")
    assert "&lt;data&gt;" in page and "<data>" not in page


@pytest.mark.backends
def test_numbers_on_the_page_are_those_of_the_report(made):
    results, reports, _ = made
    page = (reports / "card.html").read_text("utf-8")
    assert json.loads((reports / "evaluation.json").read_text()) == results
    chosen = results["intervals"]["optimal_threshold"]
    rows = [
        *chosen.values(),
        *results["calibration"]["after"].values(),
        *(row["auc_roc"] for row in results["robustness"]["rows"]),
        *(row["metrics"]["auc_roc"] for row in results["cross_data"]),
        *(row["difference"] for row in results["comparison"]["metrics"].values()),
    ]
    for each in rows:
        assert f"{each['value']:.3f}" in page
        if each["low"] is not None:
            assert f"{each['low']:.3f} to {each['high']:.3f}" in page


def test_intervals_hold_the_metrics_at_either_threshold(made):
    results = made[0]
    for name in ("default_threshold", "optimal_threshold"):
        for metric, each in results["intervals"][name].items():
            assert each["value"] == results[name][metric]
            assert each["low"] <= each["value"] <= each["high"]


def test_groups_make_intervals_wider_and_are_named(made, tmp_path):
    data, reports = tmp_path / "data", tmp_path / "reports"
    shutil.copytree(made[2]["data_dir"], data)
    # Ten videos, each of one brightness and so all right or all wrong.
    files = sorted(data.glob("test/*/*.png"))
    levels = np.argsort([np.asarray(Image.open(file)).mean() for file in files])
    rows = [
        (files[i].relative_to(data).as_posix(), f"video{rank // 4}")
        for rank, i in enumerate(levels)
    ]
    options = made[2] | {"data_dir": str(data), "reports_dir": str(reports)}
    options |= {"test_dirs": (), "compare_to": None, "robustness_images": 0}

    def evaluate():
        result = evaluate_model_v3(**options, generate_plots=False)["intervals"]
        recall = result["default_threshold"]["recall"]
        page = (reports / "card.html").read_text("utf-8")
        return result, recall["high"] - recall["low"], page

    write_groups(data, rows)
    grouped, width, page = evaluate()
    manifest = str(data / "groups.csv")
    assert (grouped["group_source"], grouped["test"]["clusters"]) == (manifest, 10)
    assert f"10 groups of {manifest}" in page
    (data / "groups.csv").unlink()
    alone, narrow, page = evaluate()
    assert (alone["group_source"], alone["test"]["clusters"]) == ("", 40)
    assert "40 images, each by itself" in page and "There is no groups.csv" in page
    assert width > 1.3 * narrow


def test_groups_that_name_no_test_image_are_refused(made, tmp_path):
    shutil.copytree(made[2]["data_dir"], tmp_path / "data")
    write_groups(tmp_path / "data", [("elsewhere/0.png", "a")])
    options = made[2] | {"data_dir": str(tmp_path / "data")}
    with pytest.raises(ValueError, match=r"`groups` names none .*test/real/0\.png"):
        evaluate_model_v3(**options)


def test_worst_errors_are_the_surest_ones(made):
    results, _, options = made
    threshold = results["optimal_threshold"]["threshold"]
    model = keras.models.load_model(options["model_path"])
    for label, name in enumerate(CLASS_NAMES):
        worst = results["worst_errors"][name]
        files = [f"test/{name}/{index}.png" for index in range(20)]
        images = [read_image(f"{options['data_dir']}/{file}") for file in files]
        pixels = np.stack([crop_to_size(image, SIZE) for image in images])
        scores = model.predict(pixels, verbose=0)[:, 0]
        surest = np.argsort(scores if label else -scores)
        order = [i for i in surest if (scores[i] < threshold) == label]
        assert worst["count"] == len(order) > 0
        assert [each["file"] for each in worst["images"]] == [
            files[i] for i in order[:12]
        ]
        assert worst["images"][0]["score"] == pytest.approx(scores[order[0]])


def test_other_data_are_measured_at_the_threshold_from_val(made):
    results, reports, options = made
    first, second = results["cross_data"]
    assert first["metrics"] == results["intervals"]["optimal_threshold"]
    assert second["data_dir"] == options["test_dirs"][0]
    assert second["counts"] == {"real": 15, "fake": 15, "clusters": 30}
    alone = evaluate_model_v3(
        **options
        | {
            "data_dir": options["data_dir"],
            "test_dirs": (options["data_dir"],),
            "reports_dir": str(reports / "again"),
            "compare_to": options["model_path"],
            "robustness_images": 0,
            "generate_plots": False,
        }
    )
    assert alone["cross_data"][0] == alone["cross_data"][1]
    for row in alone["comparison"]["metrics"].values():
        assert row["difference"] == {"value": 0, "low": 0, "high": 0}
    assert alone["robustness"] is None
    assert "broken.png" in (reports / "quarantine_1.csv").read_text()


def test_the_other_model_gets_a_threshold_of_its_own(made):
    comparison = made[0]["comparison"]
    assert comparison["threshold"] != made[0]["optimal_threshold"]["threshold"]
    # The other one calls the darker images fake.
    auc = comparison["metrics"]["auc_roc"]
    assert auc["this"]["value"] == pytest.approx(1 - auc["other"]["value"])
    assert auc["difference"]["low"] > 0
    assert "this one is better" in (made[1] / "card.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("option", "value", "error", "message"),
    [
        ("compare_to", "none.keras", FileNotFoundError, r"`compare_to`: none\.keras"),
        (
            "test_dirs",
            ("nowhere",),
            FileNotFoundError,
            r"`test_dirs`.*no such directory.*nowhere",
        ),
        ("robustness_images", -1, ValueError, "`robustness_images`.*images=-1"),
    ],
)
def test_wrong_options_are_named_before_anything_is_scored(
    made, option, value, error, message, monkeypatch
):
    monkeypatch.setattr(keras.Model, "predict", None)
    with pytest.raises(error, match=message):
        evaluate_model_v3(**made[2] | {option: value})


def test_few_images_are_noted(made):
    assert any("has 20 real images" in note for note in made[0]["notes"])
    assert any("20 groups to resample" in note for note in made[0]["notes"])


def test_slight_changes_that_make_real_images_fakes_are_warned_of(made):
    def row(kind, level, slight, specificity):
        metric = {"value": specificity, "low": None, "high": None}
        return {
            "kind": kind,
            "level": level,
            "slight": slight,
            **dict.fromkeys(("auc_roc", "accuracy", "recall"), metric),
            "specificity": metric,
        }

    rows = [
        row(None, None, False, 0.98),
        row("noise sigma", 5, False, 0.1),
        row("median side", 3, True, 0.85),
    ]
    results = made[0] | {"robustness": {"rows": rows}}
    assert judge(results) == judge(made[0] | {"robustness": None})
    rows += [row("blur sigma", 0.5, True, 0.7), row("JPEG quality", 90, True, 0.4)]
    (note,) = set(judge(results)) - set(made[0]["notes"])
    assert note.startswith("Of the real images, 2% are called fake, and 60% after no")
    assert "(JPEG quality 90)" in note
    assert "one in five are so after: blur sigma 0.5, JPEG quality 90." in note


def test_synthetic_images_are_named_before_any_number(made, tmp_path):
    data = tmp_path / "data"
    write_split(data, "val", 4, 0)
    write_split(data, "test", 4, 1)
    options = made[2] | {
        "data_dir": str(data),
        "reports_dir": str(tmp_path),
        "test_dirs": (),
        "compare_to": None,
        "robustness_images": 0,
        "generate_plots": False,
    }
    assert not evaluate_model_v3(**options)["data_note"]
    (data / "demo_set.json").write_text("{}")
    results = evaluate_model_v3(**options)
    page = (tmp_path / "card.html").read_text("utf-8")
    assert page.index("Synthetic demonstration set") < page.index('class="tiles"')
    assert find_limits(results)[0].startswith("Synthetic demonstration set")


def test_worst_changes_stand_beside_the_headline_numbers(made):
    page = (made[1] / "card.html").read_text("utf-8")
    tiles = page[page.index('class="tiles"') : page.index("95 % interval")]
    assert "real called fake, at worst" in tiles and "AUC, at worst" in tiles
