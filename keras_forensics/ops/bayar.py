"""The kernel that satisfies the Bayar constraint."""

from keras import ops

from keras_forensics import arguments

# `"divide"` lets the off-centre sum come no closer to 0 than this part of the sum of
# magnitudes, so that no tap exceeds about 1 / SMALLEST_SUM.
SMALLEST_SUM = 0.01


def bayar_kernel(kernel, normalization="project"):
    r"""Returns the member of the Bayar set that belongs to `kernel`.

    In every 2-D slice over the first two axes, the centre becomes -1 and the other
    taps $w_i$ sum to 1, so that the filter gives 0 on a flat image:

    - `"project"`: $w_i + (1 - \sum_j w_j) / n$ with $n$ off-centre taps: the nearest
      point of the set (Euclidean). Nothing is divided by the data, so nothing can
      blow up: taps stay finite for weights up to 1e38.
    - `"divide"`: $w_i / \sum_j w_j$, as published. Where $|\sum_j w_j|$ is less than
      1 % of $\sum_j |w_j|$, a constant is added to the taps first that brings it to
      1 %, with its sign. Finite for every weight that a float32 can hold.

    The sum is 1 within the rounding of the taps: a few units in the last place of
    $\sum_i |w_i|$.

    Args:
        kernel: Float tensor of shape `(height, width, inputs, outputs)`, odd height
            and width.
        normalization: `"project"` or `"divide"`.

    Returns:
        Tensor of the same shape and dtype.

    Raises:
        ValueError: If `normalization` is neither, or the kernel has another number
            of axes, an even side or only one tap.
    """
    arguments.check_normalization(normalization)
    if len(kernel.shape) != 4:
        raise ValueError(
            "The Bayar constraint is for kernels of 2-D convolutions, of shape "
            "(height, width, inputs, outputs). Received: a kernel of shape "
            f"{tuple(kernel.shape)}"
        )
    height, width = arguments.check_kernel_size(kernel.shape[:2])
    taps = height * width - 1
    is_centre = [
        [[[(row, column) == (height // 2, width // 2)]] for column in range(width)]
        for row in range(height)
    ]
    is_centre = ops.convert_to_tensor(is_centre, "bool")
    if normalization == "project":
        # Subtracting one of the taps from all changes nothing but the rounding, which
        # a large common part would add. So does the second pass.
        kernel = ops.where(is_centre, 0.0, kernel - kernel[:1, :1])
        for _ in range(2):
            # Summing w/n, not w, leaves room for large taps.
            mean = ops.sum(kernel / taps, axis=(0, 1), keepdims=True)
            kernel = ops.where(is_centre, 0.0, kernel - mean)
        kernel = kernel + 1 / taps
    else:
        kernel = ops.where(is_centre, 0.0, kernel)
        # Dividing by the largest tap first changes nothing but the room for rounding.
        largest = ops.max(ops.abs(kernel), axis=(0, 1), keepdims=True)
        largest = ops.stop_gradient(ops.where(largest > 0, largest, 1))
        kernel = kernel / largest
        total = ops.sum(kernel, axis=(0, 1), keepdims=True)
        smallest = SMALLEST_SUM * ops.sum(ops.abs(kernel), axis=(0, 1), keepdims=True)
        smallest = ops.where(smallest > 0, smallest, 1)
        size = ops.where(ops.abs(total) < smallest, smallest, ops.abs(total))
        target = ops.where(total < 0, -size, size)
        kernel = (kernel + (target - total) / taps) / target
    return ops.where(is_centre, -1.0, kernel)
