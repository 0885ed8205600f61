"""Exported files, run by their own runtimes: no module here imports Keras or a backend.

May import the rooms below: model files' metadata, files, errors.
"""
