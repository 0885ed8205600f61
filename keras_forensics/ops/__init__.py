"""Pure functions: what the layers compute, with no state and no weights.

A file here holds functions of tensors or arrays and imports `keras`, `numpy` and
`keras_forensics.arguments` only. Layers are made of them, and so can yours be:

```python
import numpy as np
from keras_forensics import filters, ops

images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
laplacian = filters.get("v3")[4]
taps = ops.bank_kernel(np.array([laplacian.taps]), channels=3)
grey = ops.to_grey_levels(images, (0, 255))
print(ops.residual_conv(grey, taps.astype("float32")).shape)
#> (2, 64, 64, 3)
```
"""

from keras_forensics.ops.bayar import bayar_kernel
from keras_forensics.ops.convolution import residual_conv, residual_conv_shape
from keras_forensics.ops.cooccurrence import (
    count_codes,
    merge_bins,
    quantize,
    soft_counts,
    symmetric_bins,
    tuple_codes,
)
from keras_forensics.ops.data_format import change_data_format, runnable_data_format
from keras_forensics.ops.dct import block_dct, inverse_block_dct
from keras_forensics.ops.division import exact_denominators
from keras_forensics.ops.grey_levels import from_grey_levels, to_grey_levels
from keras_forensics.ops.haar import haar_pyramid, inverse_haar_pyramid
from keras_forensics.ops.jpeg_codec import jpeg_round_trip
from keras_forensics.ops.jpeg_grid import jpeg_grid_scores
from keras_forensics.ops.kernels import bank_kernel
from keras_forensics.ops.median import median_residual
from keras_forensics.ops.mirroring import mirror
from keras_forensics.ops.npr import npr_residual
from keras_forensics.ops.precision import arithmetic_dtype
from keras_forensics.ops.spectrum import (
    log_spectrum,
    peak_heights,
    power_spectrum,
    radial_profile,
    to_decibels,
)
from keras_forensics.ops.texture import texture_diversity, texture_mosaics

__all__ = [
    "arithmetic_dtype",
    "bank_kernel",
    "bayar_kernel",
    "block_dct",
    "change_data_format",
    "count_codes",
    "exact_denominators",
    "from_grey_levels",
    "haar_pyramid",
    "inverse_block_dct",
    "inverse_haar_pyramid",
    "jpeg_grid_scores",
    "jpeg_round_trip",
    "log_spectrum",
    "median_residual",
    "merge_bins",
    "mirror",
    "npr_residual",
    "peak_heights",
    "power_spectrum",
    "quantize",
    "radial_profile",
    "residual_conv",
    "residual_conv_shape",
    "runnable_data_format",
    "soft_counts",
    "symmetric_bins",
    "texture_diversity",
    "texture_mosaics",
    "to_decibels",
    "to_grey_levels",
    "tuple_codes",
]
