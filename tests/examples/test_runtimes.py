"""Exported detectors: what their files say of themselves, and scores without Keras."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image
from pytest_examples import find_examples

from examples.deepfake_v3 import Detector
from examples.deepfake_v3 import __main__ as command_line
from examples.deepfake_v3.errors import InputError, MissingPackageError, NotThereError
from examples.deepfake_v3.exporting.formats import (
    FORMATS,
    inference_copy,
    write_exported,
)
from examples.deepfake_v3.model_files.evidence import Evidence
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.model_files.metadata import MetadataError, read_metadata
from examples.deepfake_v3.runtimes import runtimes
from examples.deepfake_v3.runtimes.facts import as_texts, from_texts
from examples.deepfake_v3.runtimes.runtimes import (
    RUNTIMES,
    exported_form,
    open_exported,
    runtime_of,
)
from test_support.brightness import SIZE, metadata_with, save_brightness_detector
from tests.backend import ROOT, run_python

pytestmark = pytest.mark.backends

THRESHOLD = 0.3
NAME = "deepfake_detector_v3_final"  # the guide's
GUIDE = ROOT / "docs" / "guides" / "without-keras.md"
HERE = [name for name in RUNTIMES if keras.backend.backend() in FORMATS[name].needs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A detector as .keras file, in all formats, and images for it."""
    folder = tmp_path_factory.mktemp("exported")
    save_brightness_detector(folder / f"{NAME}.keras", THRESHOLD)
    for name in HERE:
        for module in (RUNTIMES[name].needs[0], *FORMATS[name].needs["tensorflow"]):
            pytest.importorskip(module)
        copy = inference_copy(load_detector(folder / f"{NAME}.keras", "path"))
        texts = as_texts(read_metadata(folder / f"{NAME}.keras"))
        path = folder / "exports" / f"{NAME}{RUNTIMES[name].ending}"
        write_exported(copy, path, name, texts=texts)
    images = folder / "images"
    images.mkdir()
    random = np.random.default_rng(0)
    for number in range(5):
        pixels = random.integers(0, 60 * number + 10, (40, 90, 3), "uint8")
        Image.fromarray(pixels).save(images / f"{number}.png")
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    return folder


@pytest.fixture(params=HERE)
def exported(request, folder):
    """`(runtime, its file)`."""
    return request.param, folder / "exports" / f"{NAME}{RUNTIMES[request.param].ending}"


def predict(folder, *arguments):
    """Runs the command; its exit code."""
    try:
        command_line.main(["predict", str(folder / "images"), *map(str, arguments)])
    except SystemExit as exit_:
        return exit_.code
    return 0


@pytest.mark.parametrize("options", [[], ["--tiles"]])
def test_the_command_gives_the_table_of_keras(
    options, exported, folder, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    assert predict(folder, "--model-path", f"{NAME}.keras", *options) == 3
    expected = capsys.readouterr()
    assert predict(folder, "--model-path", exported[1], *options) == 3
    assert capsys.readouterr() == expected
    by_name = ["--model-path", f"{NAME}.keras", "--runtime", exported[0], *options]
    assert predict(folder, *by_name) == 3
    assert capsys.readouterr() == expected
    assert expected.out.count("fake") == 2 and expected.out.count("real ") == 3


@pytest.mark.parametrize("block", list(find_examples(GUIDE)), ids=str)
def test_the_programs_of_the_guide_score_a_photograph(
    block, folder, capsys, monkeypatch
):
    lines = [line for line in block.source.splitlines() if line.strip()]
    assert len(lines) <= 16  # short enough to be read at once
    if not any(f"{NAME}{RUNTIMES[name].ending}" in block.source for name in HERE):
        pytest.skip("its file is exported on another backend")
    monkeypatch.chdir(folder)
    pixels = np.random.default_rng(2).integers(0, 256, (50, 70, 3), "uint8")
    Image.fromarray(pixels).save("photo.jpg")
    (expected,) = Detector.load(f"{NAME}.keras").predict("photo.jpg")
    exec(compile(block.source, str(block), "exec"), {})
    verdict, score = capsys.readouterr().out.split()
    assert verdict == expected.verdict
    assert float(score) == pytest.approx(expected.score, abs=1e-6)


WITHOUT_KERAS = """
import sys
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec
ABSENT = {"keras", "tensorflow", "jax", "torch", "sklearn"}
PathFinder.find_spec = lambda name, *args: (
    None if name.partition(".")[0] in ABSENT else find_spec(name, *args)
)

from examples.deepfake_v3 import Detector

detector = Detector.load(PATH)
for each in detector.predict(["images/1.png", "images/4.png", "images/broken.jpg"]):
    print(each.verdict, bool(each.error))
print(detector.metadata.threshold, ABSENT & sys.modules.keys())
"""


def test_nothing_of_keras_is_needed(exported, folder):
    code = WITHOUT_KERAS.replace("PATH", repr(str(exported[1])))
    assert run_python(code, cwd=folder).splitlines() == [
        "real False",
        "fake False",
        "None True",
        f"{THRESHOLD} set()",
    ]


def test_arrays_of_any_number_come_through_in_order(exported, folder):
    detector = Detector.load(exported[1])
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (70, SIZE, SIZE, 3), "uint8")
    scores = [each.score for each in detector.predict(images)]
    np.testing.assert_allclose(scores, images.mean((1, 2, 3)) / 255, atol=1e-6)


def test_a_file_that_does_not_say_what_it_is_is_refused(exported, folder, tmp_path):
    name, _ = exported
    path = tmp_path / f"model{RUNTIMES[name].ending}"
    write_exported(
        inference_copy(load_detector(folder / f"{NAME}.keras", "path")), path, name
    )
    assert open_exported(path, name).texts.keys().isdisjoint({"threshold"})
    with pytest.raises(MetadataError, match=r"no verdict.*`export`"):
        Detector.load(path)


def test_explanations_need_the_keras_file(exported, folder):
    with pytest.raises(InputError, match=r"Give the \.keras file"):
        Detector.load(exported[1]).explain(folder / "images" / "1.png")


def test_the_hash_of_a_file_is_looked_at(exported):
    name, path = exported
    message = "one file, and OpenVINO" if name == "openvino" else "not the file that is"
    with pytest.raises(InputError, match=message):
        Detector.load(path, expected_sha256="0" * 64)


def test_damaged_files_are_one_line(exported, tmp_path, folder):
    name, path = exported
    damaged = tmp_path / f"damaged{RUNTIMES[name].ending}"
    if path.is_dir():
        damaged.mkdir()
        (damaged / "model.xml").write_bytes(b"<net")
        (damaged / "model.bin").write_bytes(b"")
    else:
        damaged.write_bytes(path.read_bytes()[:100])
    assert "is damaged" in predict(folder, "--model-path", damaged)


@pytest.mark.parametrize("name", RUNTIMES)
def test_missing_packages_and_files_are_named(name, tmp_path, monkeypatch):
    path = tmp_path / f"model{RUNTIMES[name].ending}"
    with pytest.raises(NotThereError, match=f"export --formats {name}"):
        open_exported(path, name)
    path.mkdir()
    monkeypatch.setattr(runtimes.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(MissingPackageError, match=r"pip install"):
        open_exported(path, name)


def test_files_are_known_by_their_ending(tmp_path):
    assert runtime_of("a/model.onnx") == "onnx"
    assert runtime_of("model_int8.tflite") == "litert"
    assert runtime_of("model_openvino") == runtime_of("x/model.xml") == "openvino"
    assert runtime_of("model.keras") is None
    assert str(exported_form("models/m.keras", "openvino")) == "exports/m_openvino"
    assert str(exported_form("m.onnx", None)) == "m.onnx"
    with pytest.raises(InputError, match="is run by onnx"):
        exported_form("m.onnx", "litert")


def test_texts_are_json_and_come_back_whole():
    evidence = Evidence(
        real=9, fake=8, auc=0.7, auc_low=0.4, auc_high=0.9, false_alarms=3, misses=1
    )
    metadata = dataclasses.replace(
        metadata_with(0.25), training_data="ab12", evidence=evidence
    )
    texts = as_texts(metadata)
    assert json.loads(texts["threshold"]) == 0.25
    assert json.loads(texts["class_names"]) == ["real", "fake"]
    assert from_texts(texts | {"producer": "another"}, "it") == metadata
    del texts["evidence"]  # as in files of older versions
    assert from_texts(texts, "it") == dataclasses.replace(metadata, evidence=None)
    with pytest.raises(MetadataError, match="cannot be read"):
        from_texts(texts | {"threshold": "2"}, "it")
    with pytest.raises(MetadataError, match="cannot be read"):
        from_texts(texts | {"temperature": "warm"}, "it")


def test_no_module_of_the_room_imports_keras():
    code = (
        "import sys\n"
        "import examples.deepfake_v3.detector, examples.deepfake_v3.predict_images\n"
        "assert not {'keras', 'keras_forensics', 'sklearn'} & sys.modules.keys()"
    )
    run_python(code)
