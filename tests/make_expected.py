"""Writes `data/expected.npz`: inputs, weights and outputs of the float64 oracle.

    python -m tests.make_expected

No backend has a part in it: what every backend must compute is drawn and computed by
plain numpy. `test_across_backends.py` compares each backend with the stored numbers.
"""

from pathlib import Path

import numpy as np

from keras_forensics import filters
from tests import oracle

PATH = Path(__file__).parent / "data" / "expected.npz"


def bank(name):
    entries = filters.get(name)
    return np.array([f.taps for f in entries]), np.array([f.divisor for f in entries])


def norm(random, channels):
    """Gamma, beta, mean and variance of a batch normalisation."""
    return [
        random.uniform(0.5, 1.5, channels),
        random.uniform(-1, 1, channels),
        random.uniform(-1, 1, channels),
        random.uniform(0.5, 1.5, channels),
    ]


def compute():
    """Arrays by name: inputs, `<case>/<weight number>`, and outputs under `<case>`."""
    random = np.random.default_rng(0)
    arrays = {
        "images": random.integers(0, 256, (2, 9, 10, 3), "uint8"),
        "scaled": random.uniform(-1, 1, (2, 9, 10, 3)).astype("float32"),
        "features": random.uniform(-1, 1, (2, 4, 5, 8)).astype("float32"),
    }
    images = arrays["images"]
    scaled = (arrays["scaled"].astype("float64") + 1) * 127.5

    def add(case, outputs, weights=()):
        arrays[case] = outputs
        for index, weight in enumerate(weights):
            arrays[f"{case}/{index}"] = weight

    add("srm30", oracle.residuals(images, *bank("srm30"), padding="symmetric"))
    add("v3", oracle.residuals(images, *bank("v3")))
    add("v3_scaled", oracle.residuals(scaled, *bank("v3")))
    add(
        "rgbn",
        oracle.residuals(images, *bank("rgbn"), None, "same", (2, 2), True),
    )

    def draw(*shape):
        return random.uniform(-1, 1, shape).astype("float32")

    weights = draw(5, 5, 3, 4)
    kernel = oracle.bayar(weights)
    add("bayar", oracle.conv2d(images.astype("float64"), kernel), [weights])
    weights = draw(3, 3, 1, 6)
    kernel = oracle.bayar(weights, "divide")
    add(
        "bayar_divide",
        oracle.conv2d(
            images.astype("float64"), kernel, (1, 1), "reflect", (2, 2), groups=3
        ),
        [weights],
    )

    weights = {
        "bayar": draw(5, 5, 3, 2),
        "norms": [norm(random, channels) for channels in (17, 4, 6)],
        "convs": [draw(3, 3, 17, 4), draw(3, 3, 4, 6)],
        "gate": [draw(6, 8), draw(8)],
    }
    gate = oracle.forensic_stream(images, weights, *bank("v3"))
    flat = [weights["bayar"], *weights["norms"][0]]
    for conv, batch_norm in zip(weights["convs"], weights["norms"][1:], strict=True):
        flat += [conv, *batch_norm]
    add("stream", gate, [*flat, *weights["gate"]])

    weights = [draw(8, 4), draw(4), draw(4, 8), draw(8)]
    features = arrays["features"].astype("float64")
    add("attention", oracle.channel_attention(features, *weights), weights)
    visual, closed = features, oracle.sigmoid(features[::-1])
    arrays["gate"] = closed.astype("float32")
    add("fusion", np.concatenate([visual * arrays["gate"], visual], -1))
    add("statistics", oracle.statistics_pooling(features))
    curve = (1e-3, 20, 5, 1e-5)
    add(
        "schedule",
        np.array([oracle.warmup_cosine_decay(step, *curve) for step in range(25)]),
    )
    return arrays


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(PATH, **compute())
    print(PATH, PATH.stat().st_size, "bytes")
