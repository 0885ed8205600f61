"""One stage of training, what keeps it alive, and the calibrated model at its end.

May import from `errors`, `options`, `checks`, `files`, `loading`, `model`, `mirror`,
`model_files`, `evaluation`, `cards`.
"""
