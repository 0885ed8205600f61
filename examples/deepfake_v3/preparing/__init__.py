"""From source folders to a plan of clean splits, and the options of that.

May import from `errors`, `options`, `loading`, `auditing`.
"""
