#!/usr/bin/env bash
# TensorFlow 2.21.0 with tf2onnx 1.17.0: of a convolution with the integer taps 1, -2, 1 whose
# result is divided by 3, the exported ONNX file holds a kernel of thirds, and no division.
# A residual of integer pixels, exact in TensorFlow, is rounded in the file. A truncation
# between the two keeps them apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 tf2onnx==1.17.0 onnx==1.23.2
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import onnx
import tensorflow as tf
import tf2onnx

signature = [tf.TensorSpec((1, 8, 8, 1), tf.float32)]


def residual(image):
    taps = tf.constant([1.0, -2.0, 1.0], shape=(1, 3, 1, 1))
    return tf.nn.conv2d(image, taps, 1, "VALID")


def divided(image):
    return residual(image) * (1 / 3)


def truncated_first(image):
    return tf.clip_by_value(residual(image), -9, 9) * (1 / 3)


def exported_taps(function):
    model, _ = tf2onnx.convert.from_function(tf.function(function), signature)
    arrays = map(onnx.numpy_helper.to_array, model.graph.initializer)
    (kernel,) = [array for array in arrays if array.shape == (1, 1, 1, 3)]
    return kernel.ravel().tolist()


print("TensorFlow", tf.__version__, "tf2onnx", tf2onnx.__version__)
folded, kept = exported_taps(divided), exported_taps(truncated_first)
print("divided:", folded)
print("truncated, then divided:", kept)
assert kept == [1.0, -2.0, 1.0], kept
assert abs(folded[0] - 1 / 3) < 1e-6 and abs(folded[1] + 2 / 3) < 1e-6, folded
PYTHON
