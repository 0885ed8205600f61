"""Speed and memory, side by side with the forms that the layers replace."""
