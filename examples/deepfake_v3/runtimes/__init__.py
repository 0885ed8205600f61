"""Exported files, run by their own runtimes: no module here imports Keras or a backend.

May import from `errors`, `quiet_start`, `options`, `model_files`.
"""
