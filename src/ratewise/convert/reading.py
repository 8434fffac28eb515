"""Reading: which format a source is in, and the plan that it stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ratewise.convert.choosing import choose, formats
from ratewise.convert.formats import Format, RunFacts, ask, put
from ratewise.convert.needed import OPEN, needed
from ratewise.convert.pieces.keys import as_number
from ratewise.convert.rivals import check_named
from ratewise.convert.said import AskedFacts, check_said, check_twice, with_settings
from ratewise.convert.sections import ask_section, section_of
from ratewise.convert.sources import load
from ratewise.convert.sources.unknown import Partial, Unknown, rest_of
from ratewise.convert.unread import unread
from ratewise.convert.wrapped import unwrapped
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import Call, nearest, number, shorten, whole
from ratewise.schedule.lengths import Horizon
from ratewise.schedule.strict import strict

_CAREFUL = ("detectron2", "mmengine")
"""Formats whose readers refuse a key that they need and that may lie in a file that is missing."""
_HORIZON = ("accumulation", "batch_size", "epoch", "epochs", "examples", "format", "lr",
            "processes", "samples", "tokens", "total")  # fmt: skip
_RUN = ("lr", "epochs", "batch_size", "accumulation", "processes", "examples")
"""What a config may say of its run, and whoever asks too."""


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes:
        plan: The plan.
        format: The format of the source.
        total: Updates in the run as told or as the source states it, or None.
        epoch: Updates in an epoch as told, or as its samples make them, or None.
    """

    plan: Plan
    format: Format
    total: int | None
    epoch: float | None = None


@strict
def read(
    source: Any,
    *,
    format: str | None = None,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    lr: float | None = None,
    epochs: float | None = None,
    batch_size: float | None = None,
    accumulation: float | None = None,
    processes: float | None = None,
    examples: float | None = None,
    **more: Any,
) -> Plan:
    """Return the plan that another framework's scheduler or config stands for.

    The plan gives what the framework does at every update, its oddities included; `plan.notes`
    says where they are. Nothing of a config is run, and nothing is ever unpickled.

    Args:
        source: A live scheduler; a callable from an update to a level; a mapping or list (a config
            that was loaded); a text (of a config, flags, or a ratewise schedule); or the path of
            a .json, .yaml, .toml or .py file, or of any other text.
        format: Name of the format; left out, it is guessed.
        total: Updates in the run, as of `Schedule.resolve`; some sources cannot do without.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        lr: Peak rate. What is told here counts more than what a config says; a note says so.
        epochs: Epochs in the run: total = epochs · epoch, where it is not told.
        batch_size: Samples that a process takes at once: samples = batch_size · accumulation ·
            processes, where they are not told.
        accumulation: Batches in an update, 1 if left out.
        processes: Processes that train, 1 if left out.
        examples: Samples in an epoch: epoch = ceil(ceil(examples / (batch_size · processes)) /
            accumulation), where it is not told; the sizes may be the config's.
        **more: What the format asks for besides, by name.

    Raises:
        ScheduleError: no format or several, a key that is not known, rates that depend on metrics
            or fall below 0, or something that has to be given.

    >>> read("Warmup(10) >> Cosine(to=0)").lr
    Warmup(10) >> Cosine(to=0)
    >>> read(lambda update: 1 / (1 + update)).lr.values(3)
    array([1.        , 0.5       , 0.33333333])
    """
    units = {"epoch": epoch, "samples": samples, "tokens": tokens}
    run = {"lr": lr, "epochs": epochs, "batch_size": batch_size, "accumulation": accumulation,
           "processes": processes, "examples": examples}  # fmt: skip
    return read_source(source, format=format, total=total, **units, **run, **more).plan


def read_source(
    source: Any,
    *,
    format: str | None = None,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    **told: Any,
) -> Reading:
    """Return the plan of a source with its format and the length of its run, as `read` does."""
    loaded = load(source)
    content = section_of(unwrapped(loaded), told.pop("section", None))
    is_whole = content is loaded and isinstance(loaded, Partial)
    if isinstance(total, int) and not isinstance(total, bool):
        total = whole(Call("read", "total", total), "total", total)
    rest = rest_of(content)
    notes = [] if rest is None else [f"Nothing that was needed is in {rest}."]
    try:
        chosen = choose(content, format)
    except ScheduleError as error:
        if rest is not None:
            raise _incomplete("The config", rest) from None
        if format is not None or any(each.evidence(content) for each in formats().values()):
            raise
        raise ask_section(content, error, choose) from None
    if rest is not None and chosen.name not in _CAREFUL:
        raise _incomplete(chosen.what, rest)
    if format is None:
        check_said(content, chosen)
    check_twice(content, chosen)
    facts = {name: told.pop(name, None) for name in _RUN}
    facts = {name: _positive(name, value) for name, value in facts.items() if value is not None}
    content, done = with_settings(content, chosen, told, notes)
    left = unread(content, chosen)
    content, stated = _merged(content, chosen, facts, notes)
    if total is not None and str(stated.get("total", total)) != str(total):
        notes.append(f"total={total} was given; the config says {stated['total']}.")
    more = told if "lr" in stated or "lr" not in facts else {**told, "lr": facts["lr"]}
    if "total" in stated and "epochs" not in facts:
        stated.pop("epochs", None)  # steps count more than epochs, as in every trainer
    known: dict[str, Any] = {name: {**stated, **facts}.get(name) for name in _RUN if name != "lr"}
    size = RunFacts(**known).completed().horizon.samples if samples is None else samples
    run = RunFacts(Horizon.of(total, epoch, size, tokens), **known).completed()
    if is_whole and not isinstance(source, Partial):
        places = {name: (chosen.stated(content, name) or (None,))[0] for name in facts}
        settings: dict[str, Any] = {name: told[name] for name in done}
        settings |= {place: facts[name] for name, place in places.items() if place is not None}
        content = _referred(source, content, chosen, settings, None if total is None else run.total)
    content = _with_total(content, chosen, run.total)
    asked = AskedFacts(more)
    try:
        plan = chosen.read(content, replace(run, more=asked))
    except ScheduleError as error:
        raise needed(error, content, chosen) from error.__cause__
    if format is not None:
        check_named(content, chosen, formats().values())
    if "lr" in more and "lr" not in asked.names:
        before, lr = plan.peak.get("lr"), asked["lr"]
        plan = replace(plan, peak={**plan.peak, "lr": lr})
        if before not in (None, lr):
            notes.append(f"lr={lr:g} was given: every rate is scaled from a peak of {before:g}.")
    for name in more:
        if name not in asked.names | done:
            who = Call("read", name, more[name])
            rule = f"is not a word of the format {chosen.name}"
            raise ScheduleError(who, rule, nearest(name, [*_HORIZON, *asked.names]))
    if left:
        notes.append(f"Not read: {', '.join(left)}.")
    plan = replace(plan, notes=(*plan.notes, *notes))
    length = run.total or stated.get("total") or _own_length(plan)
    size = run.horizon.epoch
    return Reading(plan, chosen, length, None if size is None else float(size))


def _incomplete(what: str, rest: Unknown) -> ScheduleError:
    return ScheduleError(what, f"needs {rest}", "put the file there, or give all of it in one")


def _own_length(plan: Plan) -> int | None:
    """Return the updates of a plan whose every piece has its length, else None."""
    if plan.lr is None:
        return None
    try:
        return plan.lr.resolve().length
    except ScheduleError:
        return None


def _positive(name: str, value: Any) -> float:
    return number(Call("read", name, value), name, value, above=True)


def _merged(
    content: Any, chosen: Format, told: Mapping[str, float], notes: list[str]
) -> tuple[Any, dict[str, Any]]:
    """Return a config in which what was told stands in place of what it said, and what it says.

    A batch size is that of one process: it says something where their number is told.
    """
    stated: dict[str, Any] = {}
    if not isinstance(content, Mapping | str):
        return content, stated
    for name in ("total", *_RUN):
        path, value = chosen.stated(content, name) or (None, None)
        if path is None and name == "lr" and name in told:
            path = chosen.facts.get(name, "").partition(" ")[0]
        value = as_number(value)
        if path and name in told:
            if isinstance(value, Unknown) or value not in (None, told[name]):
                notes.append(
                    f"{name}={told[name]:g} was given; the config says {path}={shorten(value)}."
                )
            content, stated[name] = put(content, path, told[name]), told[name]
        elif isinstance(value, int | float) and value is not True and 0 < value < math.inf:
            stated[name] = value
    if not float(stated.get("total", 1)).is_integer():
        del stated["total"]
    if "examples" in told and "batch_size" not in stated.keys() | told.keys():
        who, fix = Call("read", "examples", told["examples"]), ask("batch_size", ", or epoch=…")
        raise ScheduleError(who, "says nothing without the samples of a batch", fix)
    if not {"processes", "batch_size", "examples"} & told.keys():
        stated.pop("batch_size", None)
    elif "examples" in told and "processes" not in stated.keys() | told.keys():
        notes.append("One process was taken to train; more of them make fewer updates.")
    return content, {**stated, **({"total": int(stated["total"])} if "total" in stated else {})}


def _referred(
    source: Any, content: Any, chosen: Format, told: Mapping[str, Any], total: int | None
) -> Any:
    """Return a config whose references are to what was told, where that is of the config."""
    settings = dict(told)
    where, own = chosen.stated(content, "total") or (None, None)
    if total is not None and where is not None:
        settings[where] = total
    if not settings:
        return content
    anew = Partial(load(source, settings), rest_of(content), content.referred)
    return anew if total is None or where is None else put(anew, where, own)


def _with_total(content: Any, chosen: Format, total: int | None) -> Any:
    """Return a config with the updates that were told where it leaves its own to be told."""
    if total is None or not isinstance(content, Mapping | str):
        return content
    path, value = chosen.stated(content, "total") or (None, None)
    left = isinstance(value, Unknown) or (isinstance(value, str) and value in OPEN)
    return put(content, path, total) if path is not None and left else content


def guess(source: Any) -> Format:
    """Return the format that a source is in.

    Raises:
        ScheduleError: none, or several; the message lists them.
    """
    return choose(unwrapped(load(source)), None)
