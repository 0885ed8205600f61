"""The published rich models, where they can be imported."""

import pytest


def import_sealwatch():
    """Returns sealwatch, or skips the test."""
    try:
        import sealwatch
    except (ImportError, RuntimeError) as error:
        # It imports torchvision, which fails if built for another torch.
        pytest.skip(f"the reference extra is not installed: {error}")
    return sealwatch
