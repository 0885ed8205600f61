"""The recipe on real images, whole and without its parts: training, runs, and table.

Its runs may be read by other benchmarks; it imports of these `intervals` and `record`.
"""
