"""Text that can be stored and sent."""

from __future__ import annotations


def encodable(text: str) -> str:
    r"""Replace what UTF-8 cannot hold: halves of characters, bytes of names that are not text.

    JSON may escape one half of a pair (``\ud83d``), and Python keeps undecodable bytes of file
    names and arguments as such halves.

    >>> encodable("half \ud83d"), encodable("whole 😀")
    ('half �', 'whole 😀')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text
