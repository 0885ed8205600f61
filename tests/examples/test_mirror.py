import keras
import numpy as np
import pytest
from keras import ops

from examples.deepfake_v3.mirror import with_mirror, without_mirror
from examples.deepfake_v3.model import build_model_v3, measure_backbone_statistics
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.training.precision import policy_of, with_policy
from test_support.small_backbone import build_small_backbone

pytestmark = pytest.mark.backends


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def detector(images):
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNetV2", build_small_backbone)
        model = build_model_v3(weights=None, image_size=32, visual_size=48)
    # Or the signal would fade before the scores.
    measure_backbone_statistics(model, images)
    return model


def scores(model, images, **flags):
    return ops.convert_to_numpy(model(images, **flags))


def test_score_is_the_mean_of_both_looks(detector, images):
    mirrored = images[:, :, ::-1].copy()
    looks = [scores(detector, x, training=False) for x in (images, mirrored)]
    assert not np.allclose(*looks, atol=1e-5)
    found = scores(with_mirror(detector), images)
    np.testing.assert_allclose(found, np.mean(looks, axis=0), atol=1e-6)
    np.testing.assert_allclose(
        found, scores(with_mirror(detector), mirrored), atol=1e-6
    )


def test_saved_and_loaded_it_scores_alike(detector, images, tmp_path):
    model = with_mirror(detector)
    path = tmp_path / "mirrored.keras"
    model.save(path)
    loaded = load_detector(path)
    np.testing.assert_array_equal(scores(loaded, images), scores(model, images))
    inner = without_mirror(loaded)
    assert inner.get_layer("backbone") is not None
    expected = scores(detector, images, training=False)
    np.testing.assert_array_equal(scores(inner, images, training=False), expected)


def test_other_models_have_no_mirror_to_take_away(detector):
    assert without_mirror(with_mirror(detector)) is detector
    assert without_mirror(detector) is detector


def test_mean_is_float32_under_any_policy(detector):
    half = with_policy(with_mirror(detector), "mixed_bfloat16")
    assert policy_of(half).name == "mixed_bfloat16"
    assert policy_of(without_mirror(half)).name == "mixed_bfloat16"
    assert half.output.dtype == "float32"
