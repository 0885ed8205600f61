"""One hypothesis profile, and a fresh, seeded Keras for every test."""

import collections
import re

import keras
import pytest
from hypothesis import HealthCheck, settings

from test_support.published_rich_models import import_sealwatch

settings.register_profile(
    "keras_forensics",
    # Compilation makes first examples slow.
    deadline=None,
    max_examples=30,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("keras_forensics")


@pytest.fixture(autouse=True)
def fresh_keras():
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="session")
def sealwatch():
    """The published rich models, where the extra `reference` is installed."""
    try:
        return import_sealwatch()
    except ImportError as error:
        pytest.skip(f"the extra `reference` is not installed: {error}")


def pytest_terminal_summary(terminalreporter):
    """Says what was counted, and how many examples hypothesis tried on which backend.

    A test counts with `record_property("counted", [what, how_many])`.
    """
    counted = collections.Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "counted":
                counted[value[0]] += value[1]
    for what, how_many in counted.items():
        terminalreporter.write_line(f"{how_many} {what}")
    # Where hypothesis keeps its statistics for `--hypothesis-show-statistics`.
    statistics = [
        getattr(report, "_hypothesis_stats", "")
        for reports in terminalreporter.stats.values()
        for report in reports
    ]
    passed = re.findall(r"(\d+) passing", "\n".join(statistics))
    terminalreporter.write_line(
        f"{sum(map(int, passed))} hypothesis examples passed on "
        f"{keras.backend.backend()}"
    )
