"""Self-contained HTML pages.

May import from `files`, `loading`, `evaluation`.
"""
