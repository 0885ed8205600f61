"""Assertions about layers that turn images into histograms."""

import numpy as np

from keras_forensics.testing.values import read_values

TRANSFORMATIONS = {  # of images (batch, height, width, channels)
    "mirrored": lambda images: images[:, :, ::-1],
    "rotated": lambda images: np.rot90(images, axes=(1, 2)),
    "inverted": lambda images: 255 - images,
}


def assert_histograms(layer, images, total=None):
    """Asserts that features are histograms: none is negative, and all sums are known.

    Args:
        layer: A layer whose output is `(batch, features)`, such as `Cooccurrence2D` or
            `SRMFeatures`. If it has `submodels`, each is looked at by itself.
        images: Batch of images, or of what the layer takes.
        total: To what each submodel sums, or `None` for a whole number above 0, the
            same for all images.
    """
    features, epsilon = read_values(layer(images))
    assert np.isfinite(features).all(), "There are features that are not finite."
    assert features.min() >= 0, f"A feature is negative: {features.min():.3g}"
    for name, values in _submodels(layer, features).items():
        sums = values.sum(-1)
        expected = max(np.round(sums.flat[0]), 1) if total is None else total
        rounding = 8 * epsilon * expected
        assert (abs(sums - expected) <= rounding).all(), (
            f"Each histogram of {name} must sum to {expected:g}. "
            f"Received sums: {sums.ravel()}"
        )


def assert_invariant(layer, images, transformation, submodels=None):
    """Asserts which features stay the same if images are transformed.

    Those are the same exactly, bit for bit; submodels that are not named must differ,
    so `images` should hold more than flat areas.

    Args:
        layer: A layer or model whose output is `(batch, features)`.
        images: Batch of grey levels 0..255, of any integer or float dtype, in the
            layer's data format.
        transformation: `"mirrored"` (left and right), `"rotated"` (a quarter turn) or
            `"inverted"` (black and white), or a function of a batch.
        submodels: Names of the layer's `submodels` that stay the same, or `None` for
            all features.
    """
    images = np.asarray(images)
    if transformation not in TRANSFORMATIONS:
        transformed = transformation(images)
    elif getattr(layer, "data_format", "channels_last") == "channels_first":
        last = TRANSFORMATIONS[transformation](np.moveaxis(images, 1, -1))
        transformed = np.moveaxis(last, -1, 1)
    else:
        transformed = TRANSFORMATIONS[transformation](images)
    before, _ = read_values(layer(images))
    after, _ = read_values(layer(np.ascontiguousarray(transformed)))
    afterwards = _submodels(layer, after)
    for name, values in _submodels(layer, before).items():
        change = abs(afterwards[name] - values).max()
        if submodels is None or name in submodels:
            assert change == 0, (
                f"Features of {name} must stay the same if images are "
                f"{transformation}. They change by up to {change:.3g}."
            )
        else:
            assert change > 0, (
                f"Features of {name} must differ if images are {transformation}. "
                "They stay the same."
            )


def _submodels(layer, features) -> dict[str, np.ndarray]:
    """Features `(batch, channels, features)` by submodel, of all if there are none."""
    submodels = getattr(layer, "submodels", None)
    if submodels is None:
        return {getattr(layer, "name", "the layer"): features[:, None]}
    count = sum(where.stop - where.start for where in submodels.values())
    features = features.reshape(len(features), -1, count)
    return {name: features[..., where] for name, where in submodels.items()}
