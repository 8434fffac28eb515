"""A text of any length, some lines at a time, in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from ratewise._files import Progress, open_ordinary, size_of
from ratewise.logs.table import unreadable

BLOCK = 1 << 20
"""Bytes that are read at a time."""
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How a text of UTF-16 begins, as PowerShell writes what a program prints."""
LONGEST = 1_000_000
"""Bytes of a line."""


class Lines:
    r"""The lines of a file, in texts of many; all end in \n, and comments are empty lines.

    Args:
        path: The file.
        progress: What is told how far the reading is.
        spoilt: Whether bytes that are no text are let pass, as a run that was killed leaves them
            among what it printed.

    Attributes:
        comments: How many comments, which begin with #, there are below the first line that is
            none, and which line the first of them is.
    """

    def __init__(self, path: Path, progress: Progress | None = None, spoilt: bool = False) -> None:
        self._path, self._progress, self._spoilt = path, progress, spoilt
        self.comments: tuple[int, int] = (0, 0)
        self._begun = False

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Return texts, each with the number of its first line.

        Raises:
            ScheduleError: a line is no text, or too long.
        """
        number = 1
        for text in self._texts():
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if not text.endswith("\n"):
                text += "\n"
            count = text.count("\n")
            if "#" in text:
                text = self._without_comments(text, number)
            self._begun = self._begun or bool(text.strip())
            yield number, text
            number += count

    def _without_comments(self, text: str, number: int) -> str:
        lines = text.split("\n")
        begun = self._begun
        for place, line in enumerate(lines):
            if line.startswith("#"):
                if begun:
                    self.comments = self.comments[0] + 1, self.comments[1] or number + place
                lines[place] = ""
            elif not begun:
                begun = bool(line.strip())
        return "\n".join(lines)

    def _texts(self) -> Iterator[str]:
        """Return whole lines, as many as a block holds."""
        with open_ordinary(self._path) as file:
            total, done, at, rest = size_of(file), 0, 0, b""
            decoder = None
            while block := file.read(BLOCK):
                if not done and block.startswith(WIDE):
                    decoder = codecs.getincrementaldecoder("utf-16")("replace")
                done += len(block)
                if decoder is not None:
                    block = decoder.decode(block).encode()
                if self._progress is not None:
                    self._progress(done, max(total, done))
                content = rest + block
                cut = content.rfind(b"\n") + 1 or content.rfind(b"\r", 0, len(content) - 1) + 1
                if cut:
                    yield self._text(content[:cut], at)
                at, rest = at + cut, content[cut:]
                if len(rest) > LONGEST:
                    rule = f"is no log: a line behind byte {at:,} has more than {LONGEST:,} bytes"
                    raise unreadable(str(self._path), rule)
            if rest:
                yield self._text(rest, at)

    def _text(self, content: bytes, at: int) -> str:
        if self._spoilt:
            return content.decode("utf-8", errors="replace").removeprefix("\ufeff")
        try:
            zero = content.find(b"\0")
            if zero < 0:
                text = content.decode("utf-8")
                return text if at else text.removeprefix("\ufeff")
            what = f"byte {at + zero:,} is zero"
        except UnicodeDecodeError as error:
            what = f"byte {at + error.start:,} is not UTF-8"
        raise unreadable(str(self._path), f"is no log of a known format: {what}")
