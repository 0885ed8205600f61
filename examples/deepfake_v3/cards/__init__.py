"""Model cards, written and read.

May import from `errors`, `files`, `loading`, `model_files`, `evaluation`.
"""
