"""Errors that a user can mend: their message says what is wrong, and what to do.

The command line prints that message, and no traceback. Each class is also the built-in
one that fits, which is what callers in Python catch. A mistake of the calling code is
none of these.
"""


class UserError(Exception):
    """What a user can mend."""


class InputError(UserError, ValueError):
    """An option, a file or a data set that cannot be used."""


class NotThereError(UserError, FileNotFoundError):
    """A file or directory that is named and missing."""


class TakenError(UserError, FileExistsError):
    """A place for results that holds something else."""


class StorageError(UserError, OSError):
    """A disk or drive that cannot be written to, or that loses files."""


class DownloadError(UserError, ConnectionError):
    """Something on the network that cannot be reached."""


class MissingPackageError(UserError, ImportError):
    """An extra package that is not installed."""


class DivergedError(UserError, FloatingPointError):
    """Training whose numbers are no longer finite."""
