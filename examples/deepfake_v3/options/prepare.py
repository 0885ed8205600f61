"""The options of `prepare`."""

import dataclasses
from typing import Literal

from examples.deepfake_v3.options.choices import MAX_DISTANCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Make clean train/val/test splits from folders of real and fake images."""

    real: tuple[str, ...] = ()
    """Folders of real images, with their subfolders; one or more of each data set."""
    fake: tuple[str, ...] = ()
    """Folders of fake images."""
    output_dir: str = "data/processed"
    """Where {train,val,test}/{real,fake}, manifest.csv, groups.csv and quarantine.csv
    are written: a new directory, or one that the same command left unfinished."""
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, val and test, of every folder."""
    groups: tuple[str, ...] = ()
    """CSV files with the columns file (below the CSV file's folder) and group."""
    group_pattern: str | None = None
    """Regular expression whose brackets catch the group in a file's path below the
    folder that all given folders share."""
    near_duplicates: Literal["together", "one"] = "together"
    """Keep near duplicates together in one split, or keep one of each class."""
    near_duplicate_distance: int = MAX_DISTANCE
    """Bits of the 64-bit perceptual hash that may differ between near duplicates."""
    balance: bool = False
    """Leave out images of the larger class, at random, in each split."""
    jpeg_quality: int | None = None
    """Write every image as JPEG of this quality (4:2:0, no metadata); copies byte for
    byte without it."""
    seed: int = 0
    """Seed of the splits and of the balance."""
