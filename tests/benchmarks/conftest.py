"""Tests of `benchmarks`, scaled down so that each takes seconds.

They may import the benchmark that they test, and what it may import.
"""
