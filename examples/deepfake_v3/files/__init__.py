"""Writing files so that no reader meets half of one.

May import from `errors`.
"""
