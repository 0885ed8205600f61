"""All files, by what is messy about them."""

from test_support.messy_files import (
    bmp,
    bombs,
    damaged,
    jpeg,
    modes,
    orientations,
    places,
    png,
    several_pictures,
    sizes,
    strangers,
    tiff,
)
from test_support.messy_files.messy import Messy


def messy_files() -> list[Messy]:
    """All of them, more than a thousand."""
    groups = (
        modes.files,
        png.files,
        jpeg.files,
        tiff.files,
        bmp.files,
        orientations.files,
        sizes.files,
        several_pictures.files,
        damaged.truncated,
        damaged.flipped,
        damaged.garbage,
        strangers.wrong_extensions,
        strangers.strangers,
        bombs.header_bombs,
        bombs.compressed_bombs,
        places.names,
        places.links_and_devices,
    )
    return [messy for group in groups for messy in group()]
