"""A detector's second look: at the mirror image."""

import keras
from keras import ops

NAME = "mean_with_mirror_image"


def with_mirror(model: keras.Model) -> keras.Model:
    """The mean of what a detector says of an image and of its mirror image.

    Test-time augmentation. Mirroring moves whole pixels and keeps every trace, so that
    both scores are as good, and their mean is better than either. An image takes twice
    the time.

    Args:
        model: The detector. Its layers are shared, not copied.

    Returns:
        A model of the same images, whose scores are the same for both of a pair.
    """
    images = keras.Input(model.input_shape[1:], name="image")
    # Said aloud: Keras runs a model within a model as in training otherwise.
    scores = [model(x, training=False) for x in (images, ops.flip(images, axis=2))]
    # float32 under any policy, like the output of the same name that it stands for.
    mean = keras.layers.Average(dtype="float32", name="fake_probability")(scores)
    return keras.Model(images, mean, name=NAME)


def without_mirror(model: keras.Model) -> keras.Model:
    """The detector that looks once, of a model from `with_mirror`; others as given."""
    if model.name != NAME:
        return model
    (detector,) = (layer for layer in model.layers if isinstance(layer, keras.Model))
    return detector
