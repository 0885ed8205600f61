"""From scores to metrics, intervals and figures.

May import from `errors`, `options`, `checks`, `loading`, `model_files`.
"""
