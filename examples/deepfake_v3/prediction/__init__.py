"""Scores of many images, on one machine or on many, and the options of that.

May import from `errors`, `checks`, `loading`, `evaluation`.
"""
