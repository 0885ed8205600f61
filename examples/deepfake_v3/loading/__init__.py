"""From folders of images to batches of grey levels, and what belongs together.

May import from `errors`, `options`, `files`.
"""
