"""One stage of training, what keeps it alive, and the calibrated model at its end.

May import from `errors`, `checks`, `files`, `loading`, `mirror`, `model_files`,
`evaluation`, `cards`.
"""
