"""TensorFlow's own kernel for batch normalisation, for training on a CPU.

Keras normalises in single operations, and their gradients take as long as all
convolutions of MobileNetV2 together. The kernel computes the same in one pass.
"""

import contextlib
from collections.abc import Iterator
from unittest import mock

import keras
from keras.layers import BatchNormalization


@contextlib.contextmanager
def fused_batch_normalization() -> Iterator[None]:
    """In this context, images are normalised by the kernel; only on TensorFlow.

    Layers, weights and files are Keras's as before. The moving variance is that of a
    sample, n / (n - 1) of Keras's.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return

    import tensorflow as tf

    call = BatchNormalization.call

    def fused_call(self, inputs, training=None, mask=None):
        plain = self.center and self.scale and self.axis in (-1, 3) and not self.renorm
        images = len(inputs.shape) == 4 and inputs.dtype == tf.float32
        if not (training and self.trainable and plain and images):
            return call(self, inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            self.gamma.value,
            self.beta.value,
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs

    with mock.patch.object(BatchNormalization, "call", fused_call):
        yield
