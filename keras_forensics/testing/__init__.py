"""Hypothesis strategies and assertions for test suites that use these layers.

Needs `hypothesis`, so `import keras_forensics` does not import this folder. It may
import all of the package, and nothing of the package imports it.

```python
from hypothesis import given

from keras_forensics import BayarConv2D, SRMLayerV3, testing


@given(testing.uint8_images())
def check_residuals(images):
    testing.assert_exact_residual(SRMLayerV3(dtype="mixed_float16"), images)


@given(testing.kernels(kernel_size=(5, 5), channels=3, filters=8))
def check_constraint(weights):
    layer = BayarConv2D(8, 5)
    layer.build((None, None, None, 3))
    layer.set_weights([weights])
    testing.assert_bayar_constraint(layer)


check_residuals()
check_constraint()
```
"""

from keras_forensics.testing.features import assert_histograms, assert_invariant
from keras_forensics.testing.layers import assert_batch_independent, assert_serializable
from keras_forensics.testing.residuals import (
    assert_bayar_constraint,
    assert_exact_residual,
    assert_high_pass,
)
from keras_forensics.testing.strategies import (
    filter_banks,
    kernels,
    make_filter_bank,
    make_images,
    make_kernel,
    shapes,
    uint8_images,
)

__all__ = [
    "assert_batch_independent",
    "assert_bayar_constraint",
    "assert_exact_residual",
    "assert_high_pass",
    "assert_histograms",
    "assert_invariant",
    "assert_serializable",
    "filter_banks",
    "kernels",
    "make_filter_bank",
    "make_images",
    "make_kernel",
    "shapes",
    "uint8_images",
]
