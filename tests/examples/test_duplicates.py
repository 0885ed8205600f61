import io

import numpy as np
import pytest
from PIL import Image

from examples.deepfake_v3.auditing import duplicates
from examples.deepfake_v3.auditing.duplicates import (
    exact_duplicates,
    members,
    near_duplicates,
    perceptual_hash,
)
from examples.deepfake_v3.loading.groups import connected
from examples.deepfake_v3.options.choices import MAX_DISTANCE
from test_support.scenes import scene


def bits(first, second):
    return (first ^ second).bit_count()


def test_hash_mostly_survives_recompression_and_scaling():
    near = []
    for seed in range(20):
        pixels = scene(seed, size=96)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=40)
        for copy in (
            Image.open(file),
            Image.fromarray(pixels).resize((64, 64)),
            Image.fromarray(pixels).resize((200, 200)),
        ):
            other = perceptual_hash(np.asarray(copy))
            near.append(bits(perceptual_hash(pixels), other) <= MAX_DISTANCE)
    assert np.mean(near) > 0.9


def test_hashes_of_different_pictures_are_far_apart():
    hashes = [perceptual_hash(scene(seed)) for seed in range(30)]
    assert min(bits(a, b) for a in hashes for b in hashes if a != b) > 2 * MAX_DISTANCE


def test_flat_images_have_no_hash():
    assert perceptual_hash(np.full((40, 40, 3), 128, "uint8")) is None
    assert perceptual_hash(np.full((1, 1, 3), 128, "uint8")) is None


def test_exact_duplicates_are_sets_of_equal_digests():
    assert exact_duplicates(list("abcabd")) == [[0, 3], [1, 4]]


@pytest.mark.parametrize("compared", [50, 2**22])  # many small blocks, or one
@pytest.mark.parametrize("max_distance", [0, 4, 9])
def test_near_duplicates_hold_together_what_all_pairs_hold_together(
    monkeypatch, compared, max_distance
):
    monkeypatch.setattr(duplicates, "COMPARED", compared)
    rng = np.random.default_rng(0)
    # Few set bits, so that there are pairs at every distance, chains and repetitions.
    hashes = [
        sum(1 << int(bit) for bit in rng.choice(64, 6, replace=False))
        for _ in range(80)
    ]
    hashes += hashes[:10] + [None] * 3 + [2**64 - 1, 2**64 - 2]
    pairs = [
        (i, j, bits(hashes[i], hashes[j]))
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if None not in (hashes[i], hashes[j])
    ]
    near = [pair for pair in pairs if pair[2] <= max_distance]
    links = near_duplicates(hashes, max_distance)

    labels = connected(len(hashes), links)
    expected = connected(len(hashes), np.array(near))
    assert ((labels[:, None] == labels) == (expected[:, None] == expected)).all()
    for i, j, distance in links:
        assert bits(hashes[i], hashes[j]) == distance <= max_distance
    assert len(links) == len(hashes) - len(set(labels))
    # The nearest link between any two parts is kept, here between two random ones.
    part = rng.random(len(hashes)) < 0.5

    def nearest(links):
        return min((d for i, j, d in links if part[i] != part[j]), default=None)

    assert nearest(links) == nearest(near)


def test_without_images_there_are_no_near_duplicates():
    assert near_duplicates([]).shape == (0, 3)
    assert near_duplicates([None, None]).shape == (0, 3)


def test_members_are_those_that_share_a_label():
    found = [part.tolist() for part in members(np.array([2, 0, 2, 1, 0, 3]))]
    assert found == [[1, 4], [0, 2]]
