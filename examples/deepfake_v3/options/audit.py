"""The options of `audit`."""

import dataclasses

from examples.deepfake_v3.options.choices import MAX_DISTANCE


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """Look at a data set before training: leaks, duplicates, groups, unusable files.

    The exit code is 0 if there is no warning, 3 if there is one.
    """

    data_dir: str = "data/processed"
    """Directory with {train,val,test}/{real,fake}."""
    reports_dir: str = "reports"
    """Where audit.html and audit.json are written."""
    groups: str | None = None
    """CSV file with the columns file (below data_dir) and group; data_dir/groups.csv
    if there is one."""
    group_pattern: str | None = None
    """Regular expression whose brackets catch the group in a file's name below its
    class folder."""
    near_duplicate_distance: int = MAX_DISTANCE
    """Bits of the 64-bit perceptual hash that may differ between near duplicates."""
