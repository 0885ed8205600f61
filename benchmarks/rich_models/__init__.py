"""Rich models beside the published ones: equality of every count, and speed."""
