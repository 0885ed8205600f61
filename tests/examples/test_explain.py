"""`explain`: what is drawn is what the model computes, and says what it is not."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops, random
from PIL import Image

from examples.deepfake_v3 import Detector
from examples.deepfake_v3 import __main__ as command_line
from examples.deepfake_v3.explanation.attribution import (
    BLOCKS,
    Streams,
    gate_channels,
    occlude,
)
from examples.deepfake_v3.explanation.figure import draw_explanation
from examples.deepfake_v3.loading.images import UnusableImageError
from examples.deepfake_v3.mirror import with_mirror
from examples.deepfake_v3.model import build_model_v3
from examples.deepfake_v3.model_files.saving import save_model
from examples.deepfake_v3.training.precision import building_under
from keras_forensics import ForensicStreamV3, GatedFusion, SRMLayerV3
from test_support.brightness import metadata_with

pytestmark = pytest.mark.backends

SIZE, CHANNELS, THRESHOLD = 40, 6, 0.4
USUAL = tuple(np.linspace(0.2, 0.8, CHANNELS))


def build_small_detector(truncation=3.0):
    """Both streams as in build_model_v3, of few layers; the gate can be read."""
    images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = keras.layers.Conv2D(CHANNELS, 3, strides=2, activation="relu")(x)
    visual = keras.layers.GlobalAveragePooling2D(name="visual_features")(x)
    gate = ForensicStreamV3(
        CHANNELS, bayar_filters=6, features=(4,), threshold=truncation, name="stream"
    )(images)
    fused = GatedFusion()([visual, gate])
    score = keras.layers.Dense(1, "sigmoid", dtype="float32", name="score")(fused)
    model = keras.Model(images, score)
    for weight in model.get_layer("stream").gate.weights:
        # Or the gate would hardly differ from one half.
        weight.assign(4 * random.normal(weight.shape, seed=3))
    return model


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), "uint8")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "detector.keras"
    metadata = dataclasses.replace(metadata_with(THRESHOLD, SIZE), usual_gate=USUAL)
    save_model(build_small_detector(), path, metadata)
    return path


@pytest.fixture(scope="module")
def detector(path):
    return Detector.load(path)


@pytest.fixture(scope="module")
def streams(detector):
    return Streams(detector.model)


def score_of(logits):
    return 1 / (1 + np.exp(-ops.convert_to_numpy(logits)))


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize("visual_size", [None, 64])
def test_streams_together_are_the_detector(visual_size):
    keras.utils.set_random_seed(0)
    model = build_model_v3(None, 32, alpha=0.35, visual_size=visual_size)
    streams = Streams(model)
    images = noise(2, 32, 32)
    logits = streams.logits(streams.visual(images), streams.forensic(images))
    expected = model.predict(images, verbose=0)[:, 0]
    np.testing.assert_allclose(score_of(logits), expected, atol=1e-5)


def test_mixed_precision_is_explained_in_float32():
    with building_under("mixed_float16"):
        model = build_small_detector()
    streams = Streams(model)
    image = noise(SIZE, SIZE)
    gate = streams.forensic(image[None])
    assert ops.dtype(gate) == "float32"
    expected = model.predict(image[None], verbose=0)[0, 0]
    logits = streams.logits(streams.visual(image[None]), gate)
    assert score_of(logits)[0] == pytest.approx(expected, abs=5e-3)


def test_a_map_marks_the_place_that_a_score_depends_on():
    image = noise(SIZE, SIZE)
    side = SIZE // BLOCKS

    def detail(images):
        return images[:, 2 * side : 3 * side, 5 * side : 6 * side].std(axis=(1, 2, 3))

    found = occlude(detail, image)
    assert np.unravel_index(found.argmax(), found.shape) == (2, 5)
    assert found[2, 5] > 0.5 * detail(image[None].astype("float32"))[0]
    # Its neighbours share windows with it; the others none.
    far = np.ones_like(found, bool)
    far[1:4, 4:7] = False
    np.testing.assert_array_equal(found[far], 0)
    np.testing.assert_array_equal(
        occlude(lambda images: -detail(images), image), -found
    )


def test_sides_that_blocks_do_not_divide_are_covered():
    image = noise(45, 45)
    found = occlude(lambda images: images[:, 44, 44, 0] - images[:, 0, 0, 0], image)
    assert found[-1, -1] * found[0, 0] != 0
    assert (found[2:-2, 2:-2] == 0).all()


def test_a_stream_that_the_head_ignores_has_a_blank_map(detector):
    model = keras.models.clone_model(detector.model)
    model.set_weights(detector.model.get_weights())
    kernel, bias = model.get_layer("score").get_weights()
    kernel[:CHANNELS] = 0  # the gated half
    model.get_layer("score").set_weights([kernel, bias])
    explanation = Detector(model, detector.metadata).explain(noise(SIZE, SIZE))
    np.testing.assert_array_equal(explanation.forensic, 0)
    assert abs(explanation.visual).max() > 0
    assert explanation.gate_logits == 0
    draw_explanation(explanation)  # nothing is divided by the largest of nothing


def test_channels_add_up_where_the_head_is_linear(streams):
    images = noise(1, SIZE, SIZE)
    features, gate = streams.visual(images), streams.forensic(images)
    total, channels = gate_channels(streams, features, gate, np.array(USUAL))
    assert [channel.index for channel in channels] != sorted(range(CHANNELS))
    values = [channel.logits for channel in channels]
    assert values == sorted(values, key=abs, reverse=True)
    assert sum(values) == pytest.approx(total, abs=1e-4)
    first = channels[0]
    assert first.gate == ops.convert_to_numpy(gate)[0, first.index]
    assert first.usual == USUAL[first.index]
    usual, _ = gate_channels(streams, features, gate, ops.convert_to_numpy(gate)[0])
    assert usual == 0


def test_residuals_are_those_of_every_pixel(streams):
    image = noise(SIZE, SIZE)
    fixed, learnable = streams.residuals(image)
    expected = ops.convert_to_numpy(SRMLayerV3(strides=1)(image[None]))[0]
    expected = abs(expected.reshape(SIZE, SIZE, 3, 5)).mean(axis=2)
    np.testing.assert_allclose(fixed, expected, rtol=1e-6)
    sampled = ops.convert_to_numpy(streams.stream.residuals(image[None]))[0, ..., 15:]
    np.testing.assert_allclose(learnable[::2, ::2], abs(sampled), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((60, 90), "seen the 40x40 pixels in the frame, of 90x60"),
        ((30, 50), "seen the 30x30 pixels in the frame, of 50x30"),
        ((30, 30), "smaller than the input of 40x40"),
        ((SIZE, SIZE), ""),
    ],
)
def test_any_size_is_explained_and_the_caption_says_what_was_seen(
    detector, shape, said
):
    photograph = noise(*shape)
    explanation = detector.explain(photograph)
    caption = " ".join(explanation.caption)
    assert said in caption
    assert ("frame" in caption) == (max(shape) > SIZE)
    assert ("enlarged" in caption) == (min(shape) < SIZE)
    crop = explanation.crop
    seen = photograph[crop.top :, crop.left :][: crop.side, : crop.side]
    if crop.side == SIZE:
        np.testing.assert_array_equal(seen, explanation.pixels)
    expected = detector.predict(photograph)[0]
    assert explanation.prediction == expected
    side = "above" if expected.verdict == "fake" else "below"
    said = f"{expected.score:.3f}, {side} the threshold {THRESHOLD}"
    assert said in explanation.headline
    assert f"{expected.probability:.1%}" in explanation.headline
    draw_explanation(explanation)


def test_of_a_mean_with_the_mirror_image_the_first_look_is_explained(detector):
    mirrored = Detector(with_mirror(detector.model), detector.metadata)
    photograph = noise(SIZE, SIZE)
    found, expected = mirrored.explain(photograph), detector.explain(photograph)
    assert found.prediction == mirrored.predict(photograph)[0]
    assert found.prediction.score != expected.prediction.score
    np.testing.assert_array_equal(found.visual, expected.visual)
    np.testing.assert_array_equal(found.forensic, expected.forensic)
    assert "mean of two looks" in " ".join(found.caption)
    assert "mean of two looks" not in " ".join(expected.caption)


def test_caption_says_what_a_map_is_not(detector):
    caption = " ".join(detector.explain(noise(SIZE, SIZE)).caption)
    for sentence in (
        "do not show where an image was edited",
        "no proof of manipulation",
        "no sign of a real image",
    ):
        assert sentence in caption


def test_each_pixel_of_a_residual_is_a_square_of_the_picture(detector):
    # Of all magnitudes: up to a grey level of difference, and noise.
    image = np.full((SIZE, SIZE, 3), 100, "uint8")
    image[:, SIZE // 2 :] += noise(SIZE, SIZE // 2) // 64
    explanation = detector.explain(image)
    figure = draw_explanation(explanation)
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[..., 0]
    (axes,) = (a for a in figure.axes if a.get_title() == "SRM: KV")
    left, bottom, width, height = axes.get_window_extent().bounds
    top = round(len(drawn) - bottom - height)
    panel = drawn[top : top + round(height), round(left) : round(left + width)]
    enlarged = round(width) // SIZE
    values = explanation.fixed["SRM: KV"] / explanation.white
    expected = np.kron(255 * values, np.ones((enlarged, enlarged)))
    assert np.ptp(expected) > 100
    np.testing.assert_allclose(panel, expected, atol=2.5)  # 256 greys


def test_residuals_without_truncation_are_drawn_up_to_their_largest():
    keras.utils.set_random_seed(0)
    model = build_small_detector(truncation=None)
    explanation = Detector(model, metadata_with(0.5, SIZE)).explain(noise(SIZE, SIZE))
    assert explanation.gate_logits is None and not explanation.channels
    assert "does not say what its gate usually is" in " ".join(explanation.caption)
    assert 10 < explanation.white < max(x.max() for x in explanation.fixed.values())
    draw_explanation(explanation)


def test_command_draws_a_picture_of_each_and_names_what_it_cannot_read(
    path, tmp_path, capsys
):
    for name in ("a/photo.png", "b/photo.png", "b/other.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise(50, SIZE, seed=len(name))).save(tmp_path / name)
    (tmp_path / "b" / "broken.png").write_bytes(b"no image")
    output = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        command_line.main(
            [
                "explain",
                *(str(tmp_path / name) for name in "ab"),
                "--model-path",
                str(path),
                "--output-dir",
                str(output),
            ]
        )
    assert ended.value.code == 3
    assert "broken.png: not an image" in capsys.readouterr().err
    pictures = sorted(file.name for file in output.iterdir())
    assert pictures == ["other.png", "photo.png", "photo_2.png"]
    with Image.open(output / "photo.png") as picture:
        assert picture.width > 5 * SIZE


def test_unreadable_files_raise_in_python(detector, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"one image\. Received: 2 images"):
        detector.explain([noise(SIZE, SIZE)] * 2)
    with pytest.raises(UnusableImageError, match="not an image"):
        detector.explain(tmp_path / "broken.png")


def test_other_models_are_refused_with_what_they_lack():
    images = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="visual_features")(images)
    plain = keras.Model(images, keras.layers.Dense(1, "sigmoid")(pooled))
    with pytest.raises(ValueError, match=r"one ForensicStreamV3.*0 of them"):
        Streams(plain)
    gate = ForensicStreamV3(4)(images)
    alone = keras.Model(images, keras.layers.Dense(1, "sigmoid")(gate))
    with pytest.raises(ValueError, match="'visual_features'"):
        Streams(alone)
    both = keras.layers.Concatenate()([pooled, gate])
    score = keras.layers.Activation("sigmoid")(keras.layers.Dense(1)(both))
    with pytest.raises(ValueError, match="ends in a Dense"):
        Streams(keras.Model(images, score))
