"""Real kills: a run that is killed ends as one that was left alone."""

import pytest

from benchmarks.kill_test import kill_and_compare
from tests.backend import NAME

pytestmark = pytest.mark.backends


def test_killed_run_ends_with_the_same_models_and_histories(tmp_path):
    outcome = kill_and_compare(
        tmp_path,
        backend=NAME,
        kills=3,
        seed=0,
        arguments=["--small-backbone", "--epochs", "3", "--stages", "2", "2"],
    )
    assert (outcome.kills, outcome.writing) == (3, 2)
    assert outcome.runs >= 1
    assert outcome.models >= 5  # two of training, three of fine-tuning, each run
    assert outcome.difference == 0.0
    assert outcome.histories_equal
