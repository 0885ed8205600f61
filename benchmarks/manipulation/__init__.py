"""Which first layer tells best what was done to a photograph: edits, runs and figures.

It imports `intervals` and `record` of the other benchmarks, and nothing imports it.
"""
