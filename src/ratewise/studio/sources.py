"""What was pasted or dropped, read: a config as a plan, a log as rates, losses and metrics.

Content comes as bytes with a name, never as a path: a text that is the path of a file is a text,
and the files that a config stands on are not looked for. A log is read by readers of files, from
a folder of its own that is gone afterwards.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ratewise.audit import audit
from ratewise.audit.recorded import Recorded, recorded
from ratewise.audit.result import Audit
from ratewise.convert.reading import read_source
from ratewise.convert.sources.inheritance import alone
from ratewise.convert.sources.limits import LARGEST, settled
from ratewise.convert.sources.python import assigned
from ratewise.logs.curve import Curve
from ratewise.logs.reading import read_logs
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.show.metrics import Recorded as Metrics
from ratewise.show.metrics import read_metrics
from ratewise.studio.figure import LOSS, Beside
from ratewise.studio.state import StudioState

LARGEST_CONTENT = 5_000_000
"""Bytes of what is pasted or dropped."""
LONGEST_FILE_NAME = 80
_SQLITE = b"SQLite format 3\0"
_PASTED = "pasted text"
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Config:
    """A config that was read.

    Args:
        name: What it is called.
        plan: What it stands for.
        total: Updates of its run, or None.
        format: What it was read as, in words.
    """

    name: str
    plan: Plan
    total: int | None
    format: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the plan should know."""
        return self.plan.notes


@dataclass(frozen=True, eq=False)
class Log:
    """A log that was read, as far as it holds something.

    Args:
        name: What it is called.
        recorded: Its rates, or None.
        curves: Its losses with their rates: what a law is fitted to.
        metrics: Its metrics by update, in rising order.
        notes: What was left out.
    """

    name: str
    recorded: Recorded | None
    curves: tuple[Curve, ...] = ()
    metrics: Metrics = field(default_factory=list[tuple[int, dict[str, float]]], repr=False)
    notes: tuple[str, ...] = ()

    @property
    def peak(self) -> float | None:
        """The highest rate in it."""
        if self.recorded is None or not self.recorded.rates.size:
            return None
        return float(self.recorded.rates[self.recorded.rates == self.recorded.rates].max())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its metrics."""
        return tuple(dict.fromkeys(name for _, row in self.metrics for name in row))

    def drawn(self) -> tuple[Beside, ...]:
        """Return what of it is drawn over the plan."""
        found: list[Beside] = []
        read = self.recorded
        for place, group in enumerate(read.groups) if read is not None else ():
            assert read is not None
            name = f"{self.name}: {group or 'rates'}"
            # The rate beside step k is that of the k-th update, which is counted from 0.
            at = (read.steps - (read.convention != "next")).clip(0)
            found.append(Beside(name, at, read.rates[:, place], points=True))
        for one in self.curves:
            name = f"{self.name}: loss" if len(self.curves) == 1 else f"{one.name}: loss"
            found.append(
                Beside(name, np.asarray(one.steps), np.asarray(one.losses), LOSS, points=True)
            )
        return tuple(found)


def read(name: str, content: bytes) -> Config | Log:
    """Return what was pasted or dropped.

    Args:
        name: What the file is called; "" for what was pasted.
        content: Its bytes.

    Raises:
        ScheduleError: it is too large, or neither a config nor a log that can be read.

    >>> read("", b"Warmup(10) >> Cosine(to=0)").plan.lr
    Warmup(10) >> Cosine(to=0)
    >>> read("", b"../../secret.yaml")
    Traceback (most recent call last):
    ratewise.schedule.errors.ScheduleError: 'pasted text' is neither a config nor a log: ...
    """
    called = plain_name(name)
    who = shorten(called)
    if len(content) > LARGEST_CONTENT:
        rule = f"has {len(content):,} bytes"
        raise ScheduleError(who, rule, f"give at most {LARGEST_CONTENT:,}, or a part of it")
    if not content.strip():
        raise ScheduleError(who, "is empty", "give a config, or the log of a run")
    text = _text(content)
    if text is None:
        return _log(who, called, content)
    try:
        return _config(who, called, text)
    except ScheduleError as as_config:
        first = as_config
    try:
        return _log(who, called, content)
    except ScheduleError as as_log:
        if _seems_log(called, text):
            raise as_log from None
        if "is in no known format" not in first.rule:
            raise first from None
        if "(" in first.rule:  # a schedule that is misspelt
            raise ScheduleError(who, first.broken, first.fix) from None
        fix = "paste a schedule, a config of a framework, or the log of a run"
        raise ScheduleError(who, "is neither a config nor a log", fix) from None


def plain_name(name: str) -> str:
    """Return a name that is no path and holds nothing strange; "pasted text" for none.

    >>> plain_name("../../etc/trainer_state.json"), plain_name("")
    ('trainer_state.json', 'pasted text')
    """
    last = re.split(r"[\\/]", name)[-1]
    return re.sub(r"[^\w. -]", "_", last)[-LONGEST_FILE_NAME:].strip(" .") or _PASTED


def _text(content: bytes) -> str | None:
    """Return the text that bytes are, None if they are none."""
    if content.startswith(_SQLITE) or b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _seems_log(name: str, text: str) -> bool:
    """Tell which of two errors helps more: that of the readers of logs, or of configs."""
    first = text.lstrip().partition("\n")[0]
    return name.endswith((".csv", ".tsv", ".jsonl")) or "log_history" in text[:2000] or (
        first.count(",") > 0 and re.search(r"\b(?:step|epoch|loss|lr)\b", first) is not None
        and "(" not in first and "{" not in first
    )  # fmt: skip


def _config(who: str, name: str, text: str) -> Config:
    """Return a config, of which the text alone is read."""
    if len(text) > LARGEST[".json"]:
        raise ScheduleError(who, f"has {len(text):,} characters", "give a config alone")
    try:
        # A text that ends in a new line is the path of no file.
        found = read_source(f"{text}\n")
    except ScheduleError:
        if not name.endswith(".py") and not re.search(r"^\w+ *= *\S", text, re.MULTILINE):
            raise
        if len(text) > LARGEST[".py"]:
            raise
        found = read_source(alone(settled(who, assigned(who, text, file=name))))
    return Config(name, found.plan, found.total, found.format.what)


def _log(who: str, name: str, content: bytes) -> Log:
    """Return a log, which the readers of logs read as a file in a folder of its own."""
    called = name if "." in name else f"{name}.csv"
    if name == _PASTED and content.lstrip()[:1] in (b"{", b"["):
        called = "trainer_state.json"
    with tempfile.TemporaryDirectory(prefix="ratewise-studio-") as folder:
        path = Path(folder) / called
        path.write_bytes(content)
        return _log_at(who, name, path, folder)


def _log_at(who: str, name: str, path: Path, hidden: str) -> Log:
    """Return the log at a path; what is said of it does not name the folder that is hidden."""

    def tried(read: Callable[[], _T]) -> tuple[_T | None, ScheduleError | None]:
        try:
            return read(), None
        except ScheduleError as error:
            rule, fix = (_without(part, hidden, name) for part in (error.broken, error.fix))
            return None, ScheduleError(who, rule, fix)

    rates, first = tried(lambda: recorded(path))
    curves, second = tried(lambda: read_logs(path))
    metrics, third = tried(lambda: read_metrics(path))
    nothing = metrics is None or not any(row for _, row in metrics)
    errors = [error for error in (first, second, third) if error is not None]
    if rates is None and curves is None and nothing:
        raise ScheduleError(who, f"cannot be read as a log: it {errors[0].broken}", errors[0].fix)
    notes = [_without(one, hidden, name) for one in (curves.notes if curves else ())]
    notes += [*(rates.notes if rates else ()), *(_capital(error) for error in errors[:2])]
    losses = () if curves is None else curves.curves
    return Log(name, rates, losses, metrics or [], tuple(dict.fromkeys(notes)))


def _without(told: str, hidden: str, name: str) -> str:
    """Return a text in which a folder that nobody gave is not named."""
    return told.replace(f"{hidden}/", "").replace(hidden, name) if hidden else told


def read_given(path: Path) -> Config | Log:
    """Return what a file or folder holds that the studio was started with.

    Raises:
        ScheduleError: it is neither a config nor a log.
    """
    first: ScheduleError | None = None
    if path.is_file():
        try:
            found = read_source(path)
            return Config(path.name, found.plan, found.total, found.format.what)
        except ScheduleError as error:
            first = error
    try:
        return _log_at(f"File {shorten(path.name)}", path.name, path, "")
    except ScheduleError as error:
        raise error if first is None or "no known format" in first.rule else first from None


def _capital(error: ScheduleError) -> str:
    return f"{error.broken[:1].upper()}{error.broken[1:]}."


def held_against(state: StudioState, log: Log) -> Audit | None:
    """Return the audit of a log against what is worked on, None if it has no rates.

    Raises:
        ScheduleError: they cannot be compared.
    """
    if log.recorded is None:
        return None
    value = state.at.value
    lr = state.lr
    if lr is None and not (isinstance(value, Plan) and "lr" in value.peak):
        lr = log.peak
    units: dict[str, Any] = {n: one for n, one in state.units.items() if one is not None}
    return audit(log.recorded, value, total=state.updates, lr=lr, **units)


def seen_in(log: Log) -> Audit | None:
    """Return what a log shows by itself: the schedule that reproduces it."""
    with contextlib.suppress(ScheduleError):
        return None if log.recorded is None else audit(log.recorded)
    return None


def fitting(state: StudioState, found: Config | Log) -> dict[str, Any]:
    """Return the settings of the run that what was read knows: its total and its peak."""
    if isinstance(found, Config):
        return {} if found.total is None else {"total": found.total, "what_if": None}
    known: dict[str, Any] = {}
    seen = seen_in(found)
    exact = seen is not None and seen.inferred is not None and seen.inferred.exact
    peak = seen.inferred.peak if exact and seen is not None and seen.inferred else found.peak
    if state.lr is None and peak and peak_is_missing(state):
        known["lr"] = peak
    if found.recorded is not None and found.recorded.total:
        known["total"] = found.recorded.total
    return known


def peak_is_missing(state: StudioState) -> bool:
    """Tell whether what is worked on has no peak of its own."""
    value = state.at.value
    return not (isinstance(value, Plan) and "lr" in value.peak)
