"""A tiny detector in every format, run by the format's own runtime."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from examples.deepfake_v3 import __main__ as command_line
from examples.deepfake_v3.calibrate_model import calibrate_model_v3
from examples.deepfake_v3.export_model import export_model_v3
from examples.deepfake_v3.exporting import formats
from examples.deepfake_v3.exporting.formats import (
    FORMATS,
    check_format,
    inference_copy,
    open_exported,
    write_exported,
)
from examples.deepfake_v3.exporting.parity import MAX_DIFFERENCE, compare, find_faults
from examples.deepfake_v3.loading.data import check_data_dir
from examples.deepfake_v3.loading.images import read_image
from examples.deepfake_v3.mirror import with_mirror
from examples.deepfake_v3.model import (
    LEVELS,
    build_model_v3,
    measure_backbone_statistics,
)
from examples.deepfake_v3.model_files.metadata import read_metadata
from examples.deepfake_v3.options.export import ExportConfig
from examples.deepfake_v3.runtimes.facts import from_texts
from keras_forensics import BayarConv2D, SRMLayerV3
from test_support.small_backbone import build_small_backbone

BACKEND = keras.backend.backend()
HERE = [name for name, each in FORMATS.items() if BACKEND in each.needs]
UNABLE = [
    (name, backend)
    for name, each in FORMATS.items()
    for backend in ("tensorflow", "jax", "torch", "openvino")
    if backend not in each.needs
]

pytestmark = pytest.mark.backends


def skip_without_packages(name):
    try:
        check_format(name)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def images(demo_data):
    paths = check_data_dir(demo_data, ("val",))["val"].paths
    return np.stack([read_image(path) for path in paths])


def build_blocks(input_shape, **kwargs):
    """The kinds of layers that MobileNetV2 has, in few blocks."""
    layers = keras.layers

    def convolution(x, filters, name=None):
        return normalised(layers.Conv2D(filters, 1, use_bias=False)(x), name)

    def depthwise(x, strides, padding):
        x = layers.DepthwiseConv2D(3, strides, padding, use_bias=False)(x)
        return normalised(x)

    def normalised(x, name=None):
        return layers.ReLU(6.0, name=name)(layers.BatchNormalization(epsilon=1e-3)(x))

    x = images = keras.Input(input_shape)
    x = normalised(layers.Conv2D(16, 3, 2, "same", use_bias=False)(x))
    y = depthwise(x, 1, "same")
    x = layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(16, 1)(y))])
    for level in LEVELS:
        x = depthwise(layers.ZeroPadding2D(((0, 1), (0, 1)))(x), 2, "valid")
        x = convolution(x, 16, name=level)
    return keras.Model(images, x)


def build_detector(images):
    """A detector whose scores differ from image to image, unlike untrained ones."""
    keras.utils.set_random_seed(0)
    model = build_model_v3(weights=None, image_size=64, alpha=0.35)
    measure_backbone_statistics(model, images)
    stream = model.get_layer("forensic_stream")
    stream.bayar.free_kernel.assign(10 * stream.bayar.free_kernel)
    # The gate differs from image to image, as after training.
    gate = keras.Model(model.input, stream.output).predict(images, verbose=0)
    logits = np.log(gate / (1 - gate))
    deviation = logits.std(0) / 3
    stream.gate.kernel.assign(stream.gate.kernel / deviation)
    stream.gate.bias.assign(-logits.mean(0) / deviation)
    last = model.get_layer("fake_probability")
    head = keras.Model(model.input, last.input)
    features = head.predict(images, verbose=0)
    # The direction in which the features differ most, so that scores spread.
    centred = features - features.mean(0)
    direction = np.linalg.svd(centred)[2][0]
    direction *= 2 / np.std(centred @ direction)
    last.set_weights([direction[:, None], -features.mean(0, keepdims=True) @ direction])
    scores = model.predict(images, verbose=0)
    assert np.ptp(scores) > 0.5
    return model


@pytest.fixture(scope="module")
def model(images):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNetV2", build_blocks)
        return build_detector(images)


@pytest.mark.parametrize("name", HERE)
def test_file_says_what_keras_says_in_its_own_runtime(name, model, images, tmp_path):
    skip_without_packages(name)
    expected = model.predict(images, verbose=0)[:, 0]
    path = tmp_path / f"model{FORMATS[name].ending}"
    write_exported(inference_copy(model), path, name, images.astype("float32"))
    assert list(tmp_path.iterdir()) == [path]
    # Sizes that it was not written for, of which the last batch is a third one.
    run = open_exported(path, name)
    if name == "litert-int8":
        scores = run(images.astype("float32"))[:, 0]
        assert np.corrcoef(scores, expected)[0, 1] > 0.8
    else:
        found = compare(run, images, expected, 0.5, (1, 3))
        bound = MAX_DIFFERENCE if FORMATS[name].is_float32 else 0.05
        assert found["largest_difference"] <= bound


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("name", [name for name in HERE if name != "litert-int8"])
def test_layers_that_train_unless_told_otherwise_do_not(name, mirror, tmp_path):
    skip_without_packages(name)
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    # Its default is training=True, which Keras hands on.
    x = keras.layers.Resizing(32, 32)(image)
    x = keras.layers.BatchNormalization()(SRMLayerV3()(x))
    x = keras.layers.GlobalMaxPooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x))
    if mirror:
        model = with_mirror(model)
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3))
    path = tmp_path / f"model{FORMATS[name].ending}"
    write_exported(inference_copy(model), path, name)
    expected = model.predict(images, verbose=0)[:, 0]
    found = compare(open_exported(path, name), images, expected, 0.5, (1, 4))
    assert found["largest_difference"] < (1e-4 if FORMATS[name].is_float32 else 1e-2)


def test_copy_computes_in_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        image = keras.Input((64, 64, 3))
        maps = keras.layers.GlobalMaxPooling2D()(SRMLayerV3()(image))
        model = keras.Model(image, keras.layers.Dense(1)(maps))
    finally:
        keras.config.set_dtype_policy("float32")
    (inner,) = inference_copy(model).layers[1:]
    assert {layer.compute_dtype for layer in inner.layers} == {"float32"}


@pytest.mark.parametrize(("name", "backend"), UNABLE)
def test_backend_that_cannot_says_which_can(name, backend, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    able = " and ".join(FORMATS[name].needs)
    with pytest.raises(ValueError, match=f"{name} on the {backend} backend.*{able}"):
        export_model_v3(formats=(name,), output_dir=str(tmp_path / "exports"))
    assert not list(tmp_path.iterdir())


def test_missing_package_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    name = next(name for name in HERE if FORMATS[name].needs[BACKEND])
    with pytest.raises(ImportError, match=rf"{name} needs .*not installed.*\[export\]"):
        export_model_v3(formats=(name,), output_dir=str(tmp_path / "exports"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"formats": ()}, r"`formats` must name one"),
        ({"formats": ("pickle",)}, r"`formats` must be among .*formats='pickle'"),
        ({"images": 1}, r"`images` must be at least 2.*images=1"),
        ({"rounds": -1}, r"`rounds` be 0 or more.*rounds=-1"),
    ],
)
def test_bad_options_are_refused(override, message):
    with pytest.raises(ValueError, match=message):
        export_model_v3(**override)


@pytest.fixture(scope="module")
def saved(images, demo_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "detector.keras"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNetV2", build_small_backbone)
        build_detector(images).save(path)
    calibrate_model_v3(
        model_path=str(path), data_dir=str(demo_data), reports_dir=str(path.parent)
    )
    return path


ONE = HERE[-1] if BACKEND != "jax" else "savedmodel"


@pytest.fixture
def config(saved, demo_data, tmp_path):
    skip_without_packages(ONE)
    return ExportConfig(
        model_path=str(saved),
        data_dir=str(demo_data),
        output_dir=str(tmp_path),
        formats=(ONE,),
        images=8,
        rounds=1,
    )


def test_command_reports_every_file(config, tmp_path, capsys):
    report = export_model_v3(config)
    row = report["formats"][ONE]
    assert row["path"] == str(tmp_path / f"detector{FORMATS[ONE].ending}")
    assert row["bytes"] > 4 * 512 * 256  # float32 weights of the second dense layer
    assert row["largest_difference"] <= MAX_DIFFERENCE
    assert row["agreement"] == 1
    assert row["auc"]["loss"] == 0
    assert [each["speed"] > 0 for each in row["speed"]] == [True, True]
    assert row["faults"] == []
    assert report["images"] == 8
    assert report["float32_copy"]["agreement"] == 1
    written = json.loads((tmp_path / "detector_export.json").read_text())
    assert written["formats"][ONE] == row
    assert f"{ONE} " in capsys.readouterr().out
    texts = FORMATS[ONE].runtime.open_file(Path(row["path"])).texts
    stored = read_metadata(config.model_path)
    assert from_texts(texts, "it") == dataclasses.replace(stored, usual_gate=None)


def test_file_that_differs_is_not_kept_and_fails_the_command(
    config, tmp_path, monkeypatch, capsys
):
    right = FORMATS[ONE]

    def open_wrongly(path):
        opened = right.runtime.open_file(path)
        return dataclasses.replace(
            opened, run=lambda batch: opened.run(batch) + 2 * MAX_DIFFERENCE
        )

    runtime = dataclasses.replace(right.runtime, open_file=open_wrongly)
    wrong = dataclasses.replace(right, runtime=runtime)
    monkeypatch.setitem(FORMATS, ONE, wrong)
    path = tmp_path / f"detector{right.ending}"
    path.mkdir()
    (path / "old").write_bytes(b"what was there before")
    options = dataclasses.asdict(config).items()
    with pytest.raises(
        SystemExit, match=rf"not kept: {ONE}, a score differs by 2.*e-04"
    ):
        command_line.main(
            ["export"]
            + [
                part
                for name, value in options
                for part in (
                    f"--{name.replace('_', '-')}",
                    *(value if isinstance(value, tuple) else (str(value),)),
                )
            ]
        )
    assert [file.name for file in path.iterdir()] == ["old"]
    assert not list(tmp_path.glob(".partial*"))
    written = json.loads((tmp_path / "detector_export.json").read_text())
    assert written["formats"][ONE]["path"] is None
    assert written["formats"][ONE]["faults"]
    assert "not kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "found", "fault"),
    [
        ("onnx", {}, None),
        ("onnx", {"largest_difference": 1.1e-4}, "differs by 1.1e-04"),
        ("onnx", {"agreement": 0.994}, "same for 99.40% of the images"),
        ("onnx", {"largest_difference": None}, "no number"),
        ("litert-float16", {"largest_difference": 1.1e-4}, None),
        ("litert-float16", {"agreement": 0.994}, "same for 99.40% of the images"),
        ("litert-int8", {"agreement": 0.9, "largest_difference": 0.5}, None),
        ("litert-int8", {"auc": {"loss": 0.011}}, "AUC falls by 0.0110"),
        ("litert-int8", {"auc": None}, None),
    ],
)
def test_what_each_format_promises(name, found, fault):
    fine = {"largest_difference": 0.0, "agreement": 1.0, "auc": {"loss": 0.0}}
    faults = find_faults(name, fine | found)
    assert len(faults) == (fault is not None)
    assert (fault or "") in "".join(faults)


def test_comparison_counts_by_hand():
    expected = np.array([0.2, 0.4, 0.6, 0.8])
    images = expected[:, None, None, None]

    def run(batch):  # off by .3 for the third image where it comes alone
        scores = batch[:, 0, 0].astype("float64")
        return np.where((len(batch) == 1) & (scores > 0.5), scores - 0.3, scores)

    found = compare(run, images, expected, 0.5, (3, 4), np.array([0, 0, 1, 1]))
    assert found["largest_difference"] == pytest.approx(0.3)  # the batch of one left
    assert found["agreement"] == 1
    alone = compare(run, images, expected, 0.5, (1,), np.array([0, 1, 0, 1]))
    assert alone["agreement"] == 0.75
    assert alone["auc"] == {"keras": 0.75, "file": 1.0, "loss": -0.25}
    broken = compare(lambda batch: run(batch) * np.nan, images, expected, 0.5, (2,))
    assert (broken["largest_difference"], broken["auc"]) == (None, None)


@pytest.mark.skipif("litert" not in HERE, reason=f"{BACKEND} cannot write LiteRT")
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("name", ["litert-float16", "litert-int8"])
def test_rounded_files_leave_no_residual_of_a_flat_image(name, mirror, tmp_path):
    skip_without_packages(name)
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    maps = [
        SRMLayerV3()(image),
        keras.layers.ReLU(3.0)(BayarConv2D(8, 5, padding="reflect")(image)),
    ]
    x = keras.layers.Conv2D(8, 3, use_bias=False)(keras.layers.concatenate(maps))
    model = keras.Model(image, keras.layers.GlobalMaxPooling2D()(x))
    if mirror:
        model = with_mirror(model)
    noise = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3))
    path = tmp_path / "model.tflite"
    write_exported(inference_copy(model), path, name, noise.astype("float32"))
    run = open_exported(path, name)
    flat = np.full((1, 16, 16, 3), 255, "float32")
    assert abs(run(noise[:1].astype("float32"))).max() > 0.1
    assert abs(run(flat)).max() < 1e-3
