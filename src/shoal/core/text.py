"""Text that can be encoded as UTF-8."""

from __future__ import annotations


def encodable(text: str) -> str:
    r"""Replace lone surrogates, which UTF-8 cannot encode.

    JSON can escape one half of a pair (``\ud83d``), and Python represents undecodable bytes of file
    names and arguments as surrogates.

    >>> encodable("half \ud83d"), encodable("whole 😀")
    ('half �', 'whole 😀')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text
