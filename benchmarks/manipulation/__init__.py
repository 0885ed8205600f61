"""Which first layer tells best what was done to a photograph."""
