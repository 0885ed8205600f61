"""What is measured on a data set, and the wording of what is wrong with it.

May import from `errors`, `options`, `loading`, `evaluation`.
"""
