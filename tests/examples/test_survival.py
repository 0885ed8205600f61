"""Real kills: a run that is killed ends as one that was left alone."""

import pytest

from test_support.kills import kill_and_compare
from tests.backend import NAME

pytestmark = pytest.mark.backends


def test_killed_run_ends_with_the_same_models_and_histories(tmp_path):
    outcome = kill_and_compare(
        tmp_path,
        backend=NAME,
        kills=2,
        seed=0,
        arguments=["--small-backbone", "--epochs", "2", "--stages", "2"],
    )
    assert (outcome.kills, outcome.writing) == (2, 1)
    assert outcome.runs >= 1
    assert outcome.models >= 4  # two of training, two of fine-tuning, each run
    assert outcome.difference == 0.0
    assert outcome.histories_equal
