"""One stage of training, and what keeps it alive."""
