"""What the studio was started with, and which pages are open."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ratewise._files import read_up_to
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.studio.session import Session
from ratewise.studio.sources import Config, Log, read_given

SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class StartedWith:
    """What the studio was started with.

    Args:
        found: Configs and logs, read.
        journals: Paths of journals to be followed.
    """

    found: tuple[Config | Log, ...] = ()
    journals: tuple[str, ...] = ()


@dataclass
class OpenPages:
    """The pages that are open, by the token that each was given."""

    sessions: dict[str, Session] = field(default_factory=dict[str, Session])

    def new(self, session: Session) -> str:
        """Return the token of a page that is opened now."""
        token = secrets.token_urlsafe(24)
        self.sessions[token] = session
        return token


def look_at(files: Sequence[str | os.PathLike[str]]) -> StartedWith:
    """Return what some files hold, each a config, a log or a journal.

    Raises:
        ScheduleError: one of them is not there, or is none of these.
    """
    found: list[Config | Log] = []
    journals: list[str] = []
    for one in files:
        path = Path(one)
        try:
            begin = b"" if path.is_dir() else read_up_to(path, len(SQLITE))
        except OSError as error:
            rule = f"cannot be read ({error.strerror})"
            fix = "give a config, a log or a journal"
            raise ScheduleError(f"File {shorten(path.name)}", rule, fix) from None
        if begin == SQLITE:
            journals.append(str(path.resolve()))
        else:
            found.append(read_given(path))
    return StartedWith(tuple(found), tuple(journals))
