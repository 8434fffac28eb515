"""Texts of others, so that they can be shown, written into code, or name a file."""

from __future__ import annotations

import re
from typing import Any

LONGEST_NAME = 80
"""Characters of a text that are kept in the name of a file."""


def printable(text: str, keep: str = "") -> str:
    r"""Return a text with an escape in place of every character that is not printed.

    Those are control characters, and with them the sequences that drive a terminal; ends of lines
    and separators; half characters (surrogates); marks that turn the direction of what follows.

    Args:
        text: Any text.
        keep: Characters that are left as they are, such as "\n".

    >>> print(printable("red \x1b[31m\u202e end\n"))
    red \x1b[31m\u202e end\n
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def shown(text: str, stream: Any) -> str:
    r"""Return a text as a stream can show it: printable, and in the characters of its encoding.

    Consoles have all kinds of encodings, and what one of them does not have would be an error.

    >>> import io
    >>> shown("\u2265 \x1b[31m", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    '\\u2265 \\x1b[31m'
    """
    text = printable(text, keep="\n")
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def literal(text: str) -> str:
    r"""Return a text as a literal of Python's in double quotes, printable characters alone.

    >>> print(literal('a "b"\r'))
    "a \"b\"\r"
    """
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE
)
"""Names that are devices on Windows, whatever follows them behind a dot."""


def file_name(text: str) -> str:
    """Return a text as a part of a file's name; no two texts get the same, on any system.

    Small letters, digits and -_.+% stay. Anything else, capitals too, as some systems do not tell
    them from small letters, adds ten digits of the text's hash behind a ~; so do the names of
    devices, a dot at either end, and nothing at all.

    >>> file_name("warm-up 5%"), file_name("cosine"), file_name("nul"), file_name("..")
    ('warm-up_5%~210d1d6095', 'cosine', '_nul~99e6242759', '_.~5ec1f7e700')
    """
    plain = re.sub(r"[^a-zA-Z0-9.%+_-]+", "_", text)[:LONGEST_NAME]
    device = RESERVED.fullmatch(plain) is not None
    usual = plain.strip(".") == plain != "" and not device
    if usual and plain == text == text.lower():
        return text
    import hashlib  # late: it loads a library of ciphers

    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    safe = f"_{plain}" if device else re.sub(r"^\.", "_", plain)
    return f"{safe}~{digest[:10]}"
