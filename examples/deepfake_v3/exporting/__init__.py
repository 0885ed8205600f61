"""Files for other runtimes, and their comparison with Keras.

May import from `errors`, `options`, `files`, `runtimes`, `training`.
"""
