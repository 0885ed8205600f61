"""Checks of arguments that several parts have in common."""

import math
from pathlib import Path
from typing import Literal, get_args

from examples.deepfake_v3.errors import InputError

Criterion = Literal["f1", "youden", "balanced", "false_alarms"]
"""What a threshold may serve best."""

CRITERION: Criterion = "youden"
"""What it serves unless told otherwise, by `benchmarks/threshold_criteria`."""


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raises a `ValueError` naming the option unless `low <= value <= high`."""
    if not low <= value <= high:
        limits = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        raise InputError(f"`{name}` must be {limits}. Received: {name}={value}")


def check_positive(name: str, value: float) -> None:
    """Raises a `ValueError` naming the option unless `value` is above 0."""
    if not value > 0:
        raise InputError(f"`{name}` must be positive. Received: {name}={value}")


def check_model_path(name: str, path: str) -> None:
    """Raises a `ValueError` naming the option unless it is a `.keras` file."""
    if Path(path).suffix != ".keras":
        raise InputError(f"`{name}` must end in .keras. Received: {name}={path!r}")


def check_criterion(argument: str, value: str) -> None:
    """Raises a `ValueError` naming the argument unless it is a `Criterion`."""
    if value not in get_args(Criterion):
        raise InputError(
            f"`{argument}` must be one of {', '.join(get_args(Criterion))}. "
            f"Received: {argument}={value!r}"
        )
