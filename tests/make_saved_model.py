"""Writes `data/saved_model.keras` and `data/saved_model.npz`: a file of version 0.1.

    python -m tests.make_saved_model

What was saved must load in every later version: run this only to add a layer, with the
version that the file is to come from. Every weight is one of training, not an initial
one, and outputs are those of the version that saved it.
"""

from pathlib import Path

import keras
import numpy as np

import keras_forensics as kf

PATH = Path(__file__).parent / "data" / "saved_model.keras"
ARRAYS = PATH.with_suffix(".npz")


def build():
    image = keras.Input((None, None, 3), name="image")
    maps = [
        kf.SRMLayerV3(padding="symmetric")(image),
        kf.SRMFilterBank([[[1, -2, 1]]], threshold=2.5, divisors=[7])(image),
        kf.BayarConv2D(2, 5, padding="reflect")(image),
        kf.BayarConv2D(
            2,
            3,
            padding="same",
            normalization="divide",
            # Sums far from 0: a large tap would magnify rounding as much.
            kernel_initializer=keras.initializers.RandomUniform(0, 1),
        )(image),
    ]
    maps = kf.ChannelAttention(8)(keras.layers.Concatenate()(maps))
    visual = kf.StatisticsPooling2D()(maps)
    gate = kf.ForensicStreamV3(visual.shape[-1], 2, (4,))(image)
    return keras.Model(image, kf.GatedFusion()([visual, gate]))


def learnt(model):
    """The weights by their path, fixed filters aside, which no file holds."""
    return {
        variable.path: keras.ops.convert_to_numpy(variable)
        for variable in model.weights
        if variable.trainable or "moving" in variable.path
    }


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build()
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 10, 3), "uint8")
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(images, np.zeros((2, *model.output_shape[1:])), verbose=0)
    keras.Model(model.inputs, model.outputs).save(PATH)
    outputs = model.predict(images, verbose=0)
    np.savez_compressed(ARRAYS, images=images, outputs=outputs, **learnt(model))
    for path in (PATH, ARRAYS):
        print(path, path.stat().st_size, "bytes")
