"""The layers in plain numpy, written from the papers and not from the code.

Images are channels-last. Integers stay integers; everything else is float64.
"""

import math

import numpy as np


def pad(x, kernel_size, padding, strides=(1, 1), dilation=(1, 1)):
    width = [(0, 0)]
    for side in (0, 1):
        reach = (kernel_size[side] - 1) * dilation[side]
        if padding == "valid":
            width.append((0, 0))
        elif padding == "same":  # TensorFlow's: the odd zero goes to the far side
            outputs = -(-x.shape[1 + side] // strides[side])
            total = (outputs - 1) * strides[side] + reach + 1 - x.shape[1 + side]
            total = max(total, 0)
            width.append((total // 2, total - total // 2))
        else:
            width.append((reach // 2, reach // 2))
    mode = padding if padding in ("reflect", "symmetric") else "constant"
    return np.pad(x, [*width, (0, 0)], mode=mode)


def conv2d(x, kernel, strides=(1, 1), padding="valid", dilation=(1, 1), groups=1):
    """Cross-correlation, one output pixel and channel at a time."""
    height, width, depth, filters = kernel.shape
    x = pad(x, (height, width), padding, strides, dilation)
    reach = ((height - 1) * dilation[0] + 1, (width - 1) * dilation[1] + 1)
    rows = range(0, x.shape[1] - reach[0] + 1, strides[0])
    columns = range(0, x.shape[2] - reach[1] + 1, strides[1])
    dtype = np.result_type(x, kernel)
    out = np.zeros((len(x), len(rows), len(columns), filters), dtype)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            window = x[
                :,
                row : row + reach[0] : dilation[0],
                column : column + reach[1] : dilation[1],
            ]
            for k in range(filters):
                group = k // (filters // groups)
                part = window[..., group * depth : (group + 1) * depth]
                out[:, i, j, k] = (part * kernel[..., k]).sum((1, 2, 3))
    return out


def residuals(
    grey,
    taps,
    divisors,
    threshold=3.0,
    padding="reflect",
    strides=(1, 1),
    sum_channels=False,
):
    """Truncated residuals in float64, channel-major, one filter at a time."""
    grey, taps = np.asarray(grey), np.asarray(taps)
    if grey.dtype.kind in "iu":
        grey = grey.astype("int64")
    maps = []
    for channel in range(grey.shape[-1]):
        kernel = np.moveaxis(taps, 0, -1)[:, :, None]
        maps.append(conv2d(grey[..., [channel]], kernel, strides, padding))
    if sum_channels:
        maps = [sum(maps)]
    out = np.concatenate([m / np.asarray(divisors) for m in maps], -1)
    return out if threshold is None else out.clip(-threshold, threshold)


def bayar(kernel, normalization="project"):
    """The constrained kernel, one slice at a time, with exactly rounded sums."""
    kernel = np.array(kernel, "float64")
    out = np.empty_like(kernel)
    centre = kernel.shape[0] // 2, kernel.shape[1] // 2
    for c in range(kernel.shape[2]):
        for k in range(kernel.shape[3]):
            taps = kernel[:, :, c, k].copy()
            taps[centre] = 0
            n = taps.size - 1
            total = math.fsum(taps.ravel())
            if normalization == "project":
                taps += (1 - total) / n
            else:
                smallest = 0.01 * math.fsum(abs(taps).ravel())
                if smallest == 0:
                    smallest = 1.0
                target = math.copysign(max(abs(total), smallest), total)
                taps = (taps + (target - total) / n) / target
            taps[centre] = -1
            out[:, :, c, k] = taps
    return out


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def batch_normalization(x, gamma, beta, mean, variance, epsilon=1e-3):
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def forensic_stream(x, weights, taps, divisors, threshold=3.0, strides=(2, 2)):
    """`weights`: a dict with the names that `make_expected.py` draws."""
    grey = np.asarray(x, "float64")
    fixed = residuals(grey, taps, divisors, threshold, "reflect", strides)
    learnable = conv2d(grey, bayar(weights["bayar"]), strides, "reflect")
    learnable = learnable.clip(-threshold, threshold)
    x = batch_normalization(
        np.concatenate([fixed, learnable], -1), *weights["norms"][0]
    )
    for kernel, norm in zip(weights["convs"], weights["norms"][1:], strict=True):
        x = conv2d(x, kernel, (2, 2), "same")
        x = np.maximum(batch_normalization(x, *norm), 0)
    return sigmoid(x.mean((1, 2)) @ weights["gate"][0] + weights["gate"][1])


def channel_attention(x, reduce_kernel, reduce_bias, excite_kernel, excite_bias):
    hidden = np.maximum(x.mean((1, 2)) @ reduce_kernel + reduce_bias, 0)
    scale = sigmoid(hidden @ excite_kernel + excite_bias)
    return x * scale[:, None, None]


def statistics_pooling(x, epsilon=1e-4):
    return np.concatenate([x.mean((1, 2)), np.sqrt(x.var((1, 2)) + epsilon)], -1)


def warmup_cosine_decay(step, initial_lr, decay_steps, warmup_steps, min_lr):
    if step < warmup_steps:
        return initial_lr * step / warmup_steps
    if warmup_steps == decay_steps:
        return initial_lr if step == warmup_steps else min_lr
    done = min((step - warmup_steps) / (decay_steps - warmup_steps), 1)
    return min_lr + (initial_lr - min_lr) * (1 + math.cos(math.pi * done)) / 2
