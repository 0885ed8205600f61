"""How well images fit each position that a JPEG grid can have."""

from keras import ops

from keras_forensics.ops.dct import dct_matrix


def jpeg_grid_scores(luma, threshold: float = 1.0):
    """The share of DCT coefficients near 0 on each of 64 grids, relative to the mean.

    Args:
        luma: float tensor of shape `(batch, height, width)` in grey levels, sides of at
            least 15.
        threshold: A coefficient $c$ counts as $1 - |c| / t$, or 0 beyond.

    Returns:
        Tensor of shape `(batch, 8, 8)`: of the grid whose first whole block begins at
        that row and column. The mean of the 64 is 1, or all are 0 where there is no
        coefficient near 0.
    """
    batch, height, width = ops.shape(luma)
    matrix = ops.convert_to_tensor(dct_matrix(), luma.dtype)
    luma = ops.expand_dims(luma - 128, 1)  # as JPEG
    # Vertical frequencies of the column of 8 pixels from each pixel on down.
    starts = height - 7
    cosines = ops.reshape(matrix, (8, 8, 1, 1))
    vertical = sum(cosines[:, j] * luma[:, :, j : starts + j] for j in range(8))
    counts = []
    for column in range(8):
        columns = (width - column) // 8
        rows = vertical[:, :, :, column : column + 8 * columns]
        # `@`, since `keras.ops.matmul` rounds float64 to float32 on JAX and torch.
        coefficients = ops.reshape(rows, (-1, 8)) @ ops.transpose(matrix)
        near_zero = ops.relu(1 - ops.abs(coefficients) / threshold)
        near_zero = ops.reshape(near_zero, (batch, 8, starts, 8 * columns))
        counts.append(ops.mean(near_zero, (1, 3)))
    counts = ops.stack(counts, -1)
    scores = ops.stack([ops.mean(counts[:, row::8], 1) for row in range(8)], 1)
    mean = ops.mean(scores, (1, 2), keepdims=True)
    return scores / ops.maximum(mean, 1e-12)
