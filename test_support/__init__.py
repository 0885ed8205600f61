"""What tests and benchmarks are made with: files, models, and runs in other processes.

It may import `examples` and `keras_forensics`, never a test or a benchmark.
"""
