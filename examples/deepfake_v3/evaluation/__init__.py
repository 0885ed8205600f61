"""From scores to metrics, intervals and figures."""
