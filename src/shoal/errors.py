"""Every error that Shoal raises on purpose, in one tree.

A message shows the offending value and the rule, and says what to do:
``3 rows, but 8 clusters were asked for: ask for at most 3``.
"""


class ShoalError(Exception):
    """Base of all; `exit_code` is what the command line ends with."""

    exit_code = 1


class InputError(ShoalError, ValueError):
    """What was given cannot be used: the person can mend it."""

    exit_code = 2


class SourceError(InputError):
    """The images or vectors cannot be read, or are not of the kind that was said."""


class UnlikeError(SourceError):
    """Files given as one set differ in the type or shape of their rows, or in their columns."""


class SettingError(InputError):
    """A setting has a value outside its range, or two settings do not go together."""


class RunError(InputError):
    """A run folder is missing, damaged, unfinished, or from a newer version."""


class MissingExtraError(InputError):
    """An optional dependency is needed; the message gives the install command."""


class StorageFullError(ShoalError):
    """The disk is full or the folder cannot be written; nothing finished was lost."""

    exit_code = 2


class WorkError(ShoalError):
    """A worker failed, or workers were lost again and again; the message names the shard."""

    exit_code = 2


class PlaceError(ShoalError):
    """A store or server cannot be reached, or refuses; nothing finished was lost."""

    exit_code = 2


def because(error: BaseException) -> str:
    """Return what an exception says, without the path and number that an OSError adds."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text or type(error).__name__).strip().rstrip(".")
