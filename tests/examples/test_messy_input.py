"""More than a thousand malformed or unusual files: each is read right or refused."""

import sys

import pytest

from test_support.messy_files.everything import messy_files
from test_support.messy_files.outcome import outcome_of

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="makes names, devices and links that Linux has"
)
# Far below what one image above the limit of pixels would take.
MEMORY = 2e8


@pytest.fixture(scope="module")
def files():
    return messy_files()


@pytest.fixture(scope="module")
def outcome(files, tmp_path_factory):
    return outcome_of(files, tmp_path_factory.mktemp("messy"))


def test_there_are_more_than_a_thousand(files):
    assert len({messy.name for messy in files}) == len(files) > 1000


def test_each_file_is_read_right_or_quarantined_with_its_reason(outcome):
    assert outcome.complaints == {}


def test_no_file_takes_the_memory(outcome):
    assert outcome.memory < MEMORY
