"""The catalogue against published facts."""

import hashlib
import json

import numpy as np
import pytest

from keras_forensics import filters
from keras_forensics.testing import assert_high_pass

ALL = [f for bank in filters.BANKS.values() for f in bank]


def test_srm30_is_the_published_table():
    # The digest is that of an independent table, checked against a MATLAB reference.
    table = [[f.name, f.divisor, f.taps] for f in filters.get("srm30")]
    text = json.dumps(table, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "6895de4320754ac1ebf5fa7e97d6fd2eac38dd511539e87a4e5cfff59c1be7b6"
    )


def test_v3_is_its_five_filters_in_order():
    kv = [
        [-1, 2, -2, 2, -1],
        [2, -6, 8, -6, 2],
        [-2, 8, -12, 8, -2],
        [2, -6, 8, -6, 2],
        [-1, 2, -2, 2, -1],
    ]
    spam = np.pad([[-1, 2, -1], [2, -4, 2], [0, 0, 0]], 1).tolist()
    min_max = np.pad([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], 1).tolist()
    bayar = np.ones((5, 5), int)
    bayar[2, 2] = -24
    laplacian = np.pad([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 1).tolist()
    assert [
        (f.name, f.divisor, [list(row) for row in f.taps]) for f in filters.get("v3")
    ] == [
        ("KV", 12, kv),
        ("SPAM", 4, spam),
        ("MinMax", 8, min_max),
        ("Bayar", 24, bayar.tolist()),
        ("Laplacian", 4, laplacian),
    ]


@pytest.mark.parametrize(("bank", "rank"), [("v3", 5), ("rgbn", 3)])
def test_rank(bank, rank):
    kernels = np.array([f.taps for f in filters.get(bank)]).reshape(-1, 25)
    assert np.linalg.matrix_rank(kernels) == rank


def test_rgbn_is_three_of_the_published_filters():
    srm = {f.name: f for f in filters.get("srm30")}
    same = ["SQUARE5x5_KV", "SQUARE3x3_KB", "2nd_H"]
    assert [(f.taps, f.divisor) for f in filters.get("rgbn")] == [
        (srm[name].taps, srm[name].divisor) for name in same
    ]


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_every_filter_is_high_pass_5x5_and_integer(entry):
    assert np.shape(entry.taps) == (5, 5)
    assert all(type(tap) is int for row in entry.taps for tap in row)
    assert type(entry.divisor) is int and entry.divisor > 0
    assert entry.name and entry.source
    assert_high_pass(entry.kernel)
    np.testing.assert_array_equal(
        entry.kernel * entry.divisor, np.array(entry.taps, "float64")
    )


def test_filters_cannot_be_changed():
    with pytest.raises(AttributeError):
        filters.get("v3")[0].divisor = 1


@pytest.mark.parametrize("name", ["SRM30", ["v3"], None])
def test_unknown_bank_is_refused(name):
    with pytest.raises(ValueError, match=r"`bank` must be one of .*Received: bank="):
        filters.get(name)
