"""From folders of images to batches of grey levels."""
