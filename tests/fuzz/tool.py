"""Attacks by the thousand: damaged texts, what has to become of them, and how it was counted.

`RATEWISE_FUZZ=N` sets how many cases the cheapest kinds try; kinds whose cases cost more try fewer,
in proportion. With `RATEWISE_FUZZ_REPORT=FILE` every kind adds a line of JSON with its figures.
Case i of a kind is the same in every run: `RATEWISE_FUZZ_SEED` makes others of them.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ratewise as rw
from tests.costs import SECOND, cost
from tests.hostile import PIECES

CASES = int(os.environ.get("RATEWISE_FUZZ", "5000"))
SEED = int(os.environ.get("RATEWISE_FUZZ_SEED", "0"))
REPORT = os.environ.get("RATEWISE_FUZZ_REPORT")
SECONDS, MEGABYTES = 2.0, 200.0
"""What one case may cost: seconds of CPU; and what all cases of a kind may add to the process."""

TOKENS = [
    *PIECES,
    *("9" * 5000, "1e999999999", "-0", "nan", "inf", "0x10", "1_0", "٣", "1j", "True", "None"),
    *("(" * 60, ")" * 60, "[" * 200, "{" * 200, "*1" * 50, ">> Hold()", "lambda: 0", "**{}"),
    *(
        "*a",
        "&a",
        "<<: *a",
        "!!int 3",
        "${oc.env:HOME}",
        "${a}",
        "__class__",
        "f'{x}'",
        "...",
        ":=",
    ),
    *(",", ":", "=", "\n", " ", "\t", "#", ";", "|", "%", "0", "1", "-1", '"', "'", "\\"),
]
"""What is put into texts."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
NUMBERS = ["0", "1", "2", "3", "7", "10", "99", "100", "0.5", "0.1", "1e-3", "-1", "1.0", "1e400"]


def cases(kind: str, cost: int = 1, least: int = 20) -> Iterator[random.Random]:
    """A source of randomness for each case of a kind, whose cases cost so much more than a text."""
    for i in range(max(CASES // cost, least)):
        yield random.Random(f"{kind} {SEED} {i}")


def damaged(text: str, source: random.Random, others: Sequence[str] = ()) -> str:
    """A text with a few slips: characters changed, parts lost, doubled, swapped or put in."""
    for _ in range(source.choice((1, 1, 1, 2, 3, 6))):
        a, b = sorted(source.randrange(len(text) + 1) for _ in range(2))
        b = min(b, a + source.choice((1, 1, 2, 8, 40)))
        how = source.randrange(11)
        numbers = list(NUMBER.finditer(text)) if how > 6 else []
        if numbers:
            found = source.choice(numbers)
            text = text[: found.start()] + source.choice(NUMBERS) + text[found.end() :]
        elif how == 0:
            text = text[:a] + chr(source.randrange(256)) + text[a + 1 :]
        elif how == 1:
            text = text[:a] + text[b:]
        elif how == 2:
            text = text[:b] + text[a:b] * source.choice((1, 1, 2, 50)) + text[b:]
        elif how == 3:
            text = text[:a] + source.choice(TOKENS) + text[b:]
        elif how == 4:
            text = text[:a] + source.choice(TOKENS) + text[a:]
        elif how == 5 and others:
            other = source.choice(others)
            text = text[:a] + other[source.randrange(len(other)) :]
        else:
            text = text[:a]
        if not text:
            return source.choice(TOKENS)
    return text


def broken(content: bytes, source: random.Random) -> bytes:
    """What becomes of a file on a disk: bytes changed, lost or put in, a block of zeros, a cut."""
    bad = bytearray(content)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        at = source.randrange(len(bad))
        how = source.randrange(7)
        if how < 3:
            bad[at] = source.randrange(256)
        elif how == 3:
            del bad[at : at + source.choice((1, 2, 7, 64))]
        elif how == 4:
            bad[at:at] = source.randbytes(source.choice((1, 2, 7, 64)))
        elif how == 5:
            width = source.choice((4, 64, 512))
            bad[at : at + width] = bytes(len(bad[at : at + width]))
        else:
            del bad[at:]
        if not bad:
            break
    return bytes(bad)


class Tally:
    """What became of the cases of a kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.tried = self.refused = 0
        self.worst = 0.0
        gc.collect()
        self._begun = peak()

    def attack(self, what: Any, answer: Callable[[], Any], many: int = 1) -> Any:
        """Return what a case gives, or None if it is refused in our grammar; nothing else may be.

        Args:
            what: The case, which a failure shows.
            answer: What it is given to.
            many: How many hostile things are in it.
        """
        self.tried += many
        begun = time.thread_time()
        found: Any = None
        try:
            found = answer()
        except rw.ScheduleError as error:
            self.refused += many
            told = str(error)
            assert told.endswith("."), told
            assert ": " in told, told
            assert len(told) < 5000, told
        except BaseException as error:
            raise AssertionError(f"{type(error).__name__} of {self.kind}: {what!r}") from error
        spent = time.thread_time() - begun
        self.worst = max(self.worst, spent)
        if spent > SECONDS:  # A busy machine is no fault: it is tried again, beside a yardstick.
            spent = cost(lambda: quietly(answer), most=SECONDS * SECOND) / SECOND
            assert spent < SECONDS, f"about {spent:.1f} s for {self.kind}: {what!r}"
        return found

    def close(self) -> None:
        """Hold what was added to the process against its bound, and report."""
        added = max(peak() - self._begun, 0.0)
        assert added < MEGABYTES, f"{self.kind}: {added:.0f} MB"
        assert 0 < self.refused < self.tried, f"{self.kind}: {self.refused} of {self.tried}"
        if REPORT:
            line = {"kind": self.kind, "tried": self.tried, "refused": self.refused}
            line |= {"seconds": round(self.worst, 3), "megabytes": round(added, 1)}
            with Path(REPORT).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def quietly(answer: Callable[[], Any]) -> None:
    """Try a case again, whatever becomes of it."""
    with contextlib.suppress(rw.ScheduleError):
        answer()


def peak() -> float:
    """The most memory that this process has had, in MB; 0 where nobody says so."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
