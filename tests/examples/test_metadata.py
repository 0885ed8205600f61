"""What a saved detector carries, and what becomes of files that were changed."""

import dataclasses
import hashlib
import json
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3 import Detector
from examples.deepfake_v3.calibrate_model import calibrate_model_v3
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import read_image
from examples.deepfake_v3.model_files.evidence import Evidence
from examples.deepfake_v3.model_files.metadata import (
    MEMBER,
    Metadata,
    MetadataError,
    add_metadata,
    fingerprint,
    read_metadata,
    replace_metadata,
)
from examples.deepfake_v3.train_model import train_model_v3
from keras_forensics import __version__
from test_support.brightness import save_brightness_model, write_images

pytestmark = pytest.mark.backends

METADATA = Metadata(
    package_version=__version__,
    keras_version=keras.__version__,
    image_size=32,
    training_data="ab" * 32,
    threshold=0.25,
    threshold_criterion="youden",
    temperature=2.0,
    val_images=10,
    evidence=Evidence(
        real=6, fake=4, auc=0.8, auc_low=0.5, auc_high=1.0, false_alarms=1, misses=0
    ),
    usual_gate=(0.25, 0.5),
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.keras"
    save_brightness_model(path)
    replace_metadata(path, METADATA)
    return path


def rewrite(path, change):
    """Rewrites a zip archive, each member being what `change` makes of it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)


def test_metadata_are_read_as_they_were_written(path):
    assert read_metadata(path) == METADATA


def test_keras_loads_the_file_as_it_was(path, tmp_path):
    save_brightness_model(tmp_path / "plain.keras")
    ours, plain = (
        keras.models.load_model(file) for file in (path, tmp_path / "plain.keras")
    )
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    np.testing.assert_array_equal(ours.predict(pixels), plain.predict(pixels))


def test_metadata_are_replaced_and_the_model_is_not(path):
    with zipfile.ZipFile(path) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    other = dataclasses.replace(METADATA, threshold=0.5)
    replace_metadata(path, other)
    assert read_metadata(path) == other
    with zipfile.ZipFile(path) as archive:
        after = {name: archive.read(name) for name in archive.namelist()}
    del before[MEMBER], after[MEMBER]
    assert before == after


def test_equal_models_have_equal_metadata(tmp_path):
    for name in "ab":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(zipfile.ZipInfo("config.json"), "{}")
        add_metadata(tmp_path / name, METADATA)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_model_without_metadata_says_how_to_get_them(tmp_path):
    path = tmp_path / "model.keras"
    save_brightness_model(path)
    with pytest.raises(MetadataError, match=r"deepfake_v3 calibrate.*model\.keras"):
        Detector.load(path)


def other_weights(members):
    name = "model.weights.h5"
    return members | {name: members[name][:-1] + bytes([members[name][-1] ^ 1])}


def other_threshold(members):
    text = members[MEMBER].decode()
    assert '"threshold": 0.25' in text
    return members | {MEMBER: text.replace("0.25", "0.75").encode()}


def lost_config(members):
    return {name: data for name, data in members.items() if name != "config.json"}


@pytest.mark.parametrize(
    ("change", "member"),
    [
        (other_weights, r"model\.weights\.h5"),
        (other_threshold, r"detector\.json"),
        (lost_config, r"config\.json"),
        (lambda members: members | {"assets/new.bin": b"new"}, r"assets/new\.bin"),
    ],
)
def test_changed_file_is_refused_and_the_change_named(path, change, member):
    rewrite(path, change)
    with pytest.raises(MetadataError, match=f"changed or damaged .*: {member}"):
        Detector.load(path)


def test_second_member_of_one_name_is_refused(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning):
        archive.writestr("config.json", "{}")
    with pytest.raises(MetadataError, match="two members of one name"):
        Detector.load(path)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_file_is_refused(path, damage):
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(MetadataError, match="damaged"):
        Detector.load(path)


def test_metadata_of_a_later_format_are_refused(path):
    def later(members):
        content = json.loads(members[MEMBER]) | {"format": 2}
        return members | {MEMBER: json.dumps(content).encode()}

    rewrite(path, later)
    with pytest.raises(MetadataError, match=r"another version .*format=2, not 1"):
        read_metadata(path)


def test_whole_file_is_compared_with_a_hash_kept_elsewhere(path):
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Detector.load(path, expected_sha256=right).metadata == METADATA
    # Whoever writes new metadata too is found by nothing else.
    replace_metadata(path, dataclasses.replace(METADATA, threshold=0.9))
    assert Detector.load(path).metadata.threshold == 0.9
    with pytest.raises(MetadataError, match="not the file that is expected"):
        Detector.load(path, expected_sha256=right)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", 1.5),
        ("threshold", float("nan")),
        ("temperature", 0.0),
        ("temperature", float("inf")),
        ("threshold_criterion", "mcc"),
        ("class_names", ("fake", "real")),
        ("value_range", (0, 1)),
        ("image_size", 0),
        ("val_images", 0),
        ("usual_gate", (0.5, 1.5)),
        ("usual_gate", (float("nan"),)),
    ],
)
def test_metadata_of_no_detector_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field}="):
        dataclasses.replace(METADATA, **{field: value})


def test_metadata_of_another_model_are_refused(path):
    replace_metadata(path, dataclasses.replace(METADATA, image_size=64))
    with pytest.raises(MetadataError, match="those of another model"):
        Detector.load(path)


def test_fingerprint_sees_names_labels_and_pixels_and_nothing_else(tmp_path):
    def fingerprint_of(name, levels=((10, 20), (30, 40))):
        write_images(tmp_path / name, {"train": levels})
        images = check_data_dir(tmp_path / name, ("train",))["train"]
        return images, fingerprint(images, tmp_path / name)

    images, first = fingerprint_of("first")
    assert fingerprint_of("moved")[1] == first
    assert fingerprint_of("pixels", ((10, 21), (30, 40)))[1] != first
    assert fingerprint_of("more", ((10, 20), (30, 40, 50)))[1] != first
    renamed = images.paths[0].rename(images.paths[0].with_name("renamed.png"))
    paths = (renamed, *images.paths[1:])
    other = dataclasses.replace(images, paths=paths)
    assert fingerprint(other, tmp_path / "first") != first
    other = dataclasses.replace(images, labels=1 - images.labels)
    assert fingerprint(other, tmp_path / "first") != first
    order = [2, 0, 3, 1]
    other = dataclasses.replace(
        images,
        paths=tuple(images.paths[i] for i in order),
        labels=images.labels[order],
        digests=tuple(images.digests[i] for i in order),
    )
    assert fingerprint(other, tmp_path / "first") == first


def test_calibrate_finds_what_evaluate_finds(tmp_path, capsys):
    path = tmp_path / "model.keras"
    save_brightness_model(path)
    val, test = ([25, 51, 180], [102, 104, 230]), ([26], [231])
    write_images(tmp_path / "data", {"val": val, "test": test})
    options = {
        "model_path": str(path),
        "data_dir": str(tmp_path / "data"),
        "reports_dir": str(tmp_path / "reports"),
        "threshold_criterion": "youden",
    }
    metadata = calibrate_model_v3(**options)
    assert read_metadata(path) == metadata
    out = capsys.readouterr().out
    assert "Threshold 0.3000 (youden)" in out
    # Worked by hand: of 9 pairs, 180 is above 102 and 104.
    assert "AUC 0.778 (" in out and "1 of 3 real images called fake (33.3%)" in out
    assert "WARNING: The threshold was chosen on 3 real images" in out
    assert metadata.evidence.auc == pytest.approx(7 / 9)
    assert (metadata.evidence.false_alarms, metadata.evidence.misses) == (1, 0)
    results = evaluate_model_v3(**options, generate_plots=False, robustness_images=0)
    assert metadata.threshold == results["optimal_threshold"]["threshold"]
    assert metadata.temperature == results["calibration"]["temperature"]
    assert metadata.val_images == 6
    assert metadata.training_data is None  # nobody knows
    assert metadata.usual_gate is None  # there is none
    assert metadata.threshold_criterion == "youden"


def test_calibrate_keeps_what_the_file_says_of_its_training(path, tmp_path):
    write_images(tmp_path / "data", {"val": ([25, 51], [102, 104])})
    metadata = calibrate_model_v3(
        model_path=str(path),
        data_dir=str(tmp_path / "data"),
        reports_dir=str(tmp_path / "reports"),
    )
    assert metadata.training_data == METADATA.training_data
    assert read_metadata(path).threshold == metadata.threshold == pytest.approx(0.3)


@pytest.mark.usefixtures("small_backbone", "eager_training")
def test_training_ends_with_metadata(demo_data, tmp_path, capsys):
    path = tmp_path / "model.keras"
    train_model_v3(
        data_dir=str(demo_data),
        model_save_path=str(path),
        log_dir=str(tmp_path / "logs"),
        weights=None,
        image_size=64,
        alpha=0.35,
        epochs=1,
        batch_size=8,
        max_images_per_class=4,
        verbose=0,
    )
    metadata = read_metadata(path)
    # Four images of a class are too few, which the log says, and the card.
    for said in (capsys.readouterr().out, path.with_suffix(".md").read_text("utf-8")):
        assert metadata.evidence.describe() in said
        assert "The threshold was chosen on 4 real images of val" in said
    images = check_data_dir(demo_data)
    trained = images["train"].limited(4, seed=0)
    assert metadata.training_data == fingerprint(trained, demo_data)
    assert metadata.image_size == 64
    assert metadata.val_images == len(images["val"])
    model = keras.models.load_model(path, compile=False)
    gate = keras.Model(model.input, model.get_layer("forensic_stream").output)
    pixels = np.stack([read_image(path) for path in images["val"].paths])
    usual = gate.predict(pixels, verbose=0).mean(axis=0)
    np.testing.assert_allclose(metadata.usual_gate, usual, atol=1e-4)
    results = evaluate_model_v3(
        model_path=str(path),
        data_dir=str(demo_data),
        reports_dir=str(tmp_path / "reports"),
        generate_plots=False,
        robustness_images=0,
    )
    assert metadata.threshold == results["optimal_threshold"]["threshold"]
    assert metadata.temperature == results["calibration"]["temperature"]


def test_three_lines_of_python_predict(path, tmp_path):
    image = np.full((40, 50, 3), 51, "uint8")
    Image.fromarray(image).save(tmp_path / "image.png")
    detector = Detector.load(path)
    real, fake = detector.predict([tmp_path / "image.png", image + 51])
    assert (real.file, real.verdict) == (str(tmp_path / "image.png"), "real")
    assert (fake.file, fake.verdict) == (None, "fake")
    assert [real.score, fake.score] == pytest.approx([0.2, 0.4], abs=1e-6)
    # The logit of .4 is halved.
    assert fake.probability == pytest.approx(1 / (1 + 1.5**0.5), abs=1e-6)
