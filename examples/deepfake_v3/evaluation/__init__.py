"""From scores to metrics, intervals and figures.

May import from `errors`, `checks`, `loading`.
"""
