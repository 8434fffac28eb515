"""What a user's code raises, told as one error beside the frames that are the user's own."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ratewise._extras import MissingExtra
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Fix, Who, shorten

_ROOM = Path(__file__).resolve().parents[1]
_LIBRARIES = tuple(
    f"{path}{os.sep}"
    for path in {str(_ROOM), *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))}
)
_INSTALLED = {"site-packages", "dist-packages"}
_FRAME = re.compile(r'\s*File "([^"]+)", line \d+')
_WRITTEN = "__autograph_generated"
"""In the names of files that TensorFlow makes of functions."""
_TYPED = ("<stdin>", "<string>", "<ipython")
"""What Python calls code that is in no file, and that a user has typed."""

FRAMES, LINES = 16, 12
"""Frames of a traceback, and lines of what an exception says, that are shown at most."""
LONG = 200
"""Characters of what an exception says that fit into one line with the rest of an error."""


class TaskError(ScheduleError):
    """A task, a metric or a file of the user whose own code raised, or returned what it may not.

    Args:
        who: What it was.
        rule: What it did.
        fix: Where to look.
        given: What it returned, if the rule does not say it.
        traceback: The frames that are the user's own, and the exception, as text.

    Attributes:
        traceback: The same.
    """

    def __init__(
        self, who: Who, rule: str, fix: str | Fix, *, given: Any = ..., traceback: str = ""
    ) -> None:
        super().__init__(who, rule, fix, given=given)
        self.traceback = traceback

    @classmethod
    def of(cls, who: Who, error: BaseException) -> TaskError:
        """Return what to say of an exception that somebody's code has raised."""
        if isinstance(error, cls):
            return error
        if isinstance(error, ScheduleError):
            told = cls(error.who, error.broken, error.fix)
        else:
            told = cls(who, _raised(error), _where(error), traceback=own_traceback(error))
        told.__cause__ = error
        return told

    def about(self, who: Who, fix: str | Fix | None = None) -> ScheduleError:
        """Return the same error, told of another thing, or with other advice."""
        error = super().about(who, fix)
        assert isinstance(error, TaskError)
        error.traceback = self.traceback
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments, said = super().__reduce__()
        return kind, arguments, {**said, "traceback": self.traceback}


class RaisedElsewhere(Exception):
    """What code has raised in another process, or in one that has ended; its text is all there is.

    Args:
        text: The traceback.
    """


@contextmanager
def users_code(who: Who) -> Generator[None]:
    """Tell what a user's code raises as one error; our own errors and Ctrl-C pass.

    Raises:
        TaskError: it raised, or wanted to end the process; that is its `__cause__`.

    >>> with users_code("Task Mine"):
    ...     {}["loss"]
    Traceback (most recent call last):
    ratewise.tasks.failures.TaskError: Task Mine raised KeyError ('loss'): ...
    """
    try:
        yield
    except (ScheduleError, MissingExtra):
        raise
    except (Exception, SystemExit) as error:
        raise TaskError.of(who, error) from error


def name_of(task: Any) -> str:
    """Return what to call a task in an error."""
    return f"Task {type(task).__name__}"


def own_traceback(error: BaseException) -> str:
    """Return the user's own frames of an exception, the outermost first, and what it says."""
    frames = _own_frames(error)
    head = ["Traceback (most recent call last):\n"] if frames else []
    if len(frames) > FRAMES:
        frames = [*frames[: FRAMES // 2], *frames[-FRAMES // 2 :]]
    told = traceback.StackSummary.from_list(frames).format()
    return "".join([*head, *told, *_shortened(traceback.format_exception_only(error))])


def forget_locals(error: BaseException) -> None:
    """Let go of what the frames of an exception hold, such as a model that is out of memory."""
    seen: set[int] = set()
    left: BaseException | None = error
    while left is not None and id(left) not in seen:
        seen.add(id(left))
        traceback.clear_frames(left.__traceback__)
        left = left.__cause__ or left.__context__


def _own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    every = traceback.extract_tb(error.__traceback__)
    return [frame for frame in every if is_own(frame.filename)]


def is_own(filename: str) -> bool:
    """Whether code is the user's: neither ours, nor Python's, nor of what was installed."""
    if filename.startswith("<"):
        return filename.startswith(_TYPED)
    path = os.path.abspath(filename)
    if _WRITTEN in Path(path).name:
        return False
    return not path.startswith(_LIBRARIES) and not _INSTALLED & set(Path(path).parts)


def _shortened(told: list[str]) -> list[str]:
    """Return what an exception says without the middle, where that is long."""
    lines = list(_without_frames("".join(told).splitlines(keepends=True)))
    if len(lines) <= LINES:
        return lines
    return [*lines[: LINES // 2], "…\n", *lines[-LINES // 2 :]]


def _without_frames(lines: list[str]) -> Iterator[str]:
    """Yield lines without frames of others, which some libraries write into what they say."""
    inside = -1
    for line in lines:
        depth = len(line) - len(line.lstrip())
        frame = _FRAME.match(line)
        if frame:
            inside = -1 if is_own(frame[1]) else depth
        elif depth <= inside:
            inside = -1
        if inside < 0:
            yield line


def _raised(error: BaseException) -> str:
    """Return what happened, in one line: `raised KeyError ('loss')`."""
    if isinstance(error, SystemExit):
        return f"called sys.exit({'' if error.code is None else shorten(error.code)})"
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"is not valid Python ({error.msg})"
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # it is somebody's own class
        lines = []
    said = " ".join(lines[0].split()) if lines else ""
    said = said if len(said) <= LONG else said[: LONG - 1] + "…"
    return f"raised {kind} ({said})" if said else f"raised {kind}"


def _where(error: BaseException) -> str:
    """Return where to look."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"mend {_shown(error.filename)}, line {error.lineno}"
    frames = _own_frames(error)
    if not frames:
        return "look at what it was given"
    last = frames[-1]
    place = f"{_shown(last.filename)}, line {last.lineno}, in {last.name}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install {error.name}, or mend {place}"
    if isinstance(error, SystemExit) and last.name == "<module>":
        return f'put it under if __name__ == "__main__", in {place}'
    return f"mend {place}"


def _shown(filename: str) -> str:
    """Return a path as one would type it here."""
    try:
        return os.path.relpath(filename) if Path(filename).is_relative_to(Path.cwd()) else filename
    except OSError:  # there is no such folder any more
        return filename
