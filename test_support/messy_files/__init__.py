"""Files that are malformed or unusual, a format or a kind of trouble each module.

They may import each other and `examples.deepfake_v3.loading`, without Keras.
"""
