import pytest

from shoal.errors import MissingExtraError, PlaceError, RunError
from shoal.storage.network import again, is_missing, is_transient, place_error


class AnswerError(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


class NoCredentialsError(Exception):
    pass


class ClientPayloadError(Exception):
    pass


def caused(cause):
    error = FileNotFoundError("s3://x")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (OSError("away"), True),
        (TimeoutError(), True),
        (ClientPayloadError("cut"), True),
        (AnswerError(503), True),
        (AnswerError(429), True),
        (AnswerError(404), False),
        (AnswerError(403), False),
        (PermissionError("no"), False),
        (FileNotFoundError("no"), False),
        (caused(AnswerError(404)), False),
        (caused(ClientPayloadError()), True),
        (NoCredentialsError("none"), False),
        (ImportError("s3fs"), False),
        (RunError("x"), False),
    ],
)
def test_only_transient_errors_are_retried(error, transient):
    tried = []

    def work():
        tried.append(1)
        raise error

    with pytest.raises(type(error)):
        again(work, (0.0, 0.0))
    assert len(tried) == (3 if transient else 1)
    assert is_transient(error) == transient


def test_the_second_try_counts():
    tried = []

    def work():
        tried.append(1)
        if len(tried) == 1:
            raise OSError("away")
        return 5

    assert again(work, (0.0,)) == 5


def test_what_is_missing_is_told_from_who_cannot_be_asked():
    assert is_missing(FileNotFoundError("x"))
    assert is_missing(caused(KeyError("x")))
    assert is_missing(caused(AnswerError(404)))
    assert not is_missing(caused(AnswerError(500)))
    assert not is_missing(caused(ConnectionRefusedError()))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(5, "away\nmore"), r"s3://b/x cannot be reached \(away\): check the address"),
        (
            PermissionError("Access Denied."),
            r"s3://b/x denies access .* \(Access Denied\): give oth",
        ),
        (AnswerError(401), "denies access to these credentials"),
        (NoCredentialsError("none found"), r"without credentials \(none found\): give them as"),
        (ValueError("Protocol not known: s3"), "s3:// is not a protocol that fsspec knows"),
        (caused(ConnectionRefusedError("no")), r"cannot be reached \(no\)"),
    ],
)
def test_each_trouble_is_a_sentence(error, said):
    found = place_error("s3://b/x", error)
    assert isinstance(found, PlaceError)
    with pytest.raises(PlaceError, match=said):
        raise found


@pytest.mark.parametrize("protocol", ["s3", "gs", "https", "az"])
def test_what_is_not_installed_is_said(protocol):
    found = place_error(f"{protocol}://b/x", ImportError("no module"))
    assert isinstance(found, MissingExtraError)
    assert "needs" in str(found)
    assert "pip install" in str(found)


def test_what_is_missing_stays_so():
    for error in (FileNotFoundError("x"), RunError("y"), IsADirectoryError("z"), ValueError("v")):
        assert place_error("s3://b/x", error) is error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(5, "no such thing."), "no such thing"),
        (TimeoutError(), "TimeoutError"),
        (Exception("x" * 999), "x" * 200),
        (Exception("first:\nsecond"), "first"),
    ],
)
def test_the_reason_is_one_short_line(error, reason):
    assert f"cannot be reached ({reason}): check" in str(place_error("s3://x", error))
