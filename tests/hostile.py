"""Texts that want to be more than texts, for tests of everything that writes or shows some."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = [
    *('"""', "'''", '"', "'", "\\", "\\u0022", "#", "{", "}", "{0}", "%s", "$", "$x^2$", "_", " "),
    *("\n", "\r", "\r\n", "\t", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\x7f"),
    *("\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;file:///x\x1b\\", "\x1bP$q\x1b\\", "\x9b2J", "\x9d"),
    *("\u202e", "\u2066", "\u200f", "\ufeff", "\ud83d", "\ude00", "\U000e0041", "\u0301", "\xa0"),
    *("²", "ﬁ", "ª", "名", "a", "A", "1", "lr", "a/b", "a b", "../x", "=1+1", "@x", "-1", "<b>&"),
    *("import os\n", "__import__('os').abort()", "\nraise SystemExit\n", "-*- coding: utf-7 -*-"),
    *("&a [*a]", "!!python/object:x", "- ", ": ", "~", "null", "true", "1e5", "</script>", "-->"),
]

names = st.lists(st.sampled_from(PIECES) | st.characters(), min_size=1, max_size=6).map("".join)
"""Any text but the empty one, half characters (surrogates) included."""


def driving(text: str) -> set[str]:
    """The characters of a text that could drive a terminal, an editor or a parser of lines."""
    return {c for c in text if not c.isprintable() and c != "\n"}
