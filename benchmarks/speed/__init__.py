"""Speed and memory beside the forms that the layers replace, and how steps are timed.

It imports `public_form` and `record` of the other benchmarks; these may time with it.
"""
