"""Every error that Shoal raises deliberately, in one hierarchy.

A message shows the offending value, the rule and what to do: ``k must be from 1 to 3, the number
of rows; got 8``.
"""


class ShoalError(Exception):
    """Base class; `exit_code` is the exit code of the command line."""

    exit_code = 1


class InputError(ShoalError, ValueError):
    """The input cannot be used, and the user can fix it."""

    exit_code = 2


class SourceError(InputError):
    """The images or vectors cannot be read, or are not of the stated kind."""


class UnlikeError(SourceError):
    """Files given as one set differ in the type or shape of their rows, or in their columns."""


class SettingError(InputError):
    """A setting is out of range, or two settings exclude each other."""


class RunError(InputError):
    """A run folder is missing, damaged, unfinished, or from a newer version."""


class MissingExtraError(InputError):
    """An optional dependency is missing; the message gives the install command."""


class StorageFullError(ShoalError):
    """The disk is full or the folder is not writable; finished work is kept."""

    exit_code = 2


class WorkError(ShoalError):
    """A worker failed, or workers were lost repeatedly; the message names the shard."""

    exit_code = 2


class PlaceError(ShoalError):
    """A store or server is unreachable or refuses access; finished work is kept."""

    exit_code = 2


def because(error: BaseException) -> str:
    """Return the message of an exception, without the path and number that an OSError adds."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip().rstrip(".") or type(error).__name__
