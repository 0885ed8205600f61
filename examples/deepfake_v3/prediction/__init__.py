"""Scores of many images, on one machine or on many.

May import from `errors`, `options`, `checks`, `loading`, `evaluation`.
"""
