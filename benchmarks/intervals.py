"""Intervals for the tables: over seeds.

Over groups of test images they come from `examples.deepfake_v3.intervals`.
"""

import statistics

STUDENT_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % quantile, by seeds


def student_interval(values: list[float]) -> str:
    """Mean ± half the 95 % interval over seeds (Student's t)."""
    if len(values) not in STUDENT_T:
        return f"{statistics.mean(values):.3f}"
    half = STUDENT_T[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.3f} ± {half:.3f}"
