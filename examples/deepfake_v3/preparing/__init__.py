"""From source folders to a plan of clean splits."""
