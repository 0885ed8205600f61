"""Measurements: a module or folder for each table of `results/`, and what they share.

They may import `keras_forensics`, `examples` and `test_support`, and never a test.
"""
