"""Model files: what they carry beside the weights, reading and writing.

May import from `errors`, `checks`, `files`, `loading`.
"""
