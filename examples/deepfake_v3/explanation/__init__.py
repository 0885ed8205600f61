"""Which places of an image a verdict depends on."""
