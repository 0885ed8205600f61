"""The Bayar constraint: prediction-error filters."""

import keras
from keras import ops

from keras_forensics import arguments
from keras_forensics.ops import arithmetic_dtype, bayar_kernel

__all__ = ["BayarConstraint"]


@keras.saving.register_keras_serializable(package="keras_forensics")
class BayarConstraint(keras.constraints.Constraint):
    r"""The Bayar constraint as a projection for any 2-D convolution.

    Use it as `kernel_constraint`. In every slice of the kernel, of $h \times w$ taps,
    the centre becomes -1, and the other taps $w_i$ are changed to sum to 1:

    $$
    w_i \leftarrow w_i + \frac{1 - \sum_{j} w_j}{h \cdot w - 1}
    \quad\text{or}\quad
    w_i \leftarrow \frac{w_i}{\sum_{j} w_j}
    $$

    with `"project"` and `"divide"`. The first is the nearest kernel that satisfies the
    constraint. The second is the published one, and throws kernels far away whose taps
    sum to nearly 0: below 1 % of the sum of magnitudes, a constant is added to the taps
    first that brings the sum to 1 %.

    A Keras constraint is applied by the optimizer after each step, and only then. The
    kernel therefore does **not** satisfy it before the first step, when the layer is
    frozen, after `set_weights` or `assign`, in the averaged weights of `use_ema`, or
    in the 16-bit copy that a mixed policy computes with. `BayarConv2D`
    re-parameterises the kernel and satisfies it always: prefer it, and use this
    class where the layer has to be one of Keras's own.

    Args:
        normalization: `"project"`, the Euclidean projection, or `"divide"`, the
            published division, made safe near a zero sum.

    Raises:
        ValueError: If `normalization` is neither, or the kernel it is applied to is
            not that of a 2-D convolution, has an even side or only one tap.

    Example:

    ```python
    import keras
    from keras_forensics.constraints import BayarConstraint

    layer = keras.layers.Conv2D(3, 5, kernel_constraint=BayarConstraint())
    ```

    References:
        - Bayar, B. & Stamm, M. C. (2016). A deep learning approach to universal
          image manipulation detection using a new convolutional layer. IH&MMSec.
          <https://doi.org/10.1145/2909827.2930786>
        - Bayar, B. & Stamm, M. C. (2018). Constrained convolutional neural networks.
          IEEE Transactions on Information Forensics and Security 13(11).
          <https://doi.org/10.1109/TIFS.2018.2825953>
    """

    def __init__(self, normalization="project"):
        self.normalization = arguments.check_normalization(normalization)

    def __call__(self, w):
        """Projects a kernel.

        Args:
            w: Kernel of shape `(height, width, inputs, outputs)`: that of `Conv2D`
                and `DepthwiseConv2D`.

        Returns:
            Tensor of the same shape and dtype.
        """
        dtype = keras.backend.standardize_dtype(w.dtype)
        kernel = bayar_kernel(ops.cast(w, arithmetic_dtype(dtype)), self.normalization)
        return ops.cast(kernel, dtype)

    def get_config(self):
        return {"normalization": self.normalization}
