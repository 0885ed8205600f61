"""The arithmetic of the layers: pure functions of tensors, no state, no class.

May import `arguments`, `filters` and what lies beside it here, but no layer.
"""

from keras_forensics.ops.bayar import constrain_bayar
from keras_forensics.ops.data_format import change_data_format, runnable_data_format
from keras_forensics.ops.exact_denominators import exact_denominators
from keras_forensics.ops.grey_levels import exact_dtype, to_grey_levels
from keras_forensics.ops.mirror import mirror
from keras_forensics.ops.residual_conv import residual_conv, residual_conv_shape

__all__ = [
    "change_data_format",
    "constrain_bayar",
    "exact_denominators",
    "exact_dtype",
    "mirror",
    "residual_conv",
    "residual_conv_shape",
    "runnable_data_format",
    "to_grey_levels",
]
