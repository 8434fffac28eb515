"""Taking up a checkpoint: what differs from the code, and what the named policies make of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from ratewise._printable import shown
from ratewise.adapters.arguments import RESUME
from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.groups import KEPT, SURE, Member, close, pair, who_is
from ratewise.adapters.torch.source import Source, SourceFeedback
from ratewise.adapters.torch.state import Saved, SavedGroup, labels
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest, shorten

AHEAD = 16
"""Updates of which the values are looked at before a checkpoint is taken up."""
_WHO = "Scheduler.load_state_dict"
_FIX = "load another checkpoint"

Values = dict[str, float]


@dataclass(frozen=True)
class Course:
    """Where a run goes on: source, shift and, for each member, (base, peak, last) and entry."""

    source: Source
    shift: int
    values: dict[Member, tuple[Values, Values, Values]]
    entries: dict[Member, str | None]
    listening: dict[str, Any] | None = None


def check_policy(policy: str | None) -> str | None:
    """Return the policy, or say which there are."""
    if policy is not None and policy not in RESUME:
        fix = f"{nearest(policy, RESUME)}; there are {', '.join(RESUME)}"
        raise ScheduleError(Call("Scheduler", "resume", policy), "names no policy", fix)
    return policy


def load(clock: Clock, saved: Saved, policy: str | None, optimizer: Optimizer) -> None:
    """Set a clock to what a checkpoint says; what differs from the code is settled by `policy`.

    Nothing is changed unless everything can be.

    Raises:
        ScheduleError: groups cannot be matched, or something differs and there is no policy.
    """
    clock.sync(optimizer)
    here = [member.label for member in clock.members]
    found = pair(labels(saved.groups), here)
    pairs = {clock.members[i]: saved.groups[j] for i, j in found.items()}
    differences = list(_differences(clock, saved, pairs))
    if differences and policy is None:
        rule = f"got a checkpoint that differs from the code: {'; '.join(differences)}"
        fix = Fix(f"choose with {{resume}} one of {', '.join(map(repr, RESUME))}", resume="…")
        raise ScheduleError(_WHO, rule, fix)
    course = _course(clock, saved, pairs, policy if differences else None)
    before = _next_values(saved, pairs) if differences else {}
    start = _prepared(clock, saved, course, bool(differences))
    _commit(clock, saved, course, start)
    if differences:
        _report(clock, pairs, before, start.coming, str(policy))


# What differs -------------------------------------------------------------------------------


def _differences(clock: Clock, saved: Saved, pairs: dict[Member, SavedGroup]) -> Iterator[str]:
    code = clock.code
    if code.total != saved.total:
        yield f"its total is {saved.total}, the code's {code.total}"
    if not _same_plan(code, saved):
        if code.text != saved.text:
            yield f"its schedule is {saved.text}, the code's {code.text}"
        elif code.total == saved.total:
            yield f"its horizon is {saved.horizon}, the code's {dict(code.horizon)}"
    for index, member in enumerate(clock.members):
        group = pairs.get(member)
        if group and group.entry not in (member.asked, member.name):
            theirs, ours = _entry(group.entry), _entry(member.asked)
            yield f"its {who_is(member.name, index)} follows {theirs}, the code's {ours}"
        for key in member.read if group else ():
            if group and key in group.base and not _agrees(member, group, key):
                who = who_is(member.name, index)
                yield f"its {key} of {who} is {group.base[key]:g}, the code's {member.read[key]:g}"


def _entry(key: str | None) -> str:
    return "what is for every group" if key is None else f"groups[{key!r}]"


def _same_plan(code: Source, saved: Saved) -> bool:
    """Compare what is written down; of two functions nothing can be said: the code is trusted."""
    if code.form == saved.form:
        return True
    return code.form is not None and saved.known is not None and code.plan == saved.known.plan


def _agrees(member: Member, group: SavedGroup, key: str) -> bool:
    """Tell whether what was read in the code is what the checkpoint's run began with.

    An optimizer that was loaded before brings the rate of its last update, and no wish of the code.
    """
    value = member.read[key]
    if member.trust[key] == KEPT or close(value, group.base[key]):
        return True
    return member.trust[key] != SURE and close(value, group.last.get(key, math.nan))


# Where to go on -----------------------------------------------------------------------------


def _course(
    clock: Clock, saved: Saved, pairs: dict[Member, SavedGroup], policy: str | None
) -> Course:
    asked = {member: member.asked for member in clock.members}
    if policy in (None, "checkpoint"):
        source = clock.code if policy is None else saved.source()
        theirs = {m: (dict(g.base), dict(g.peak), dict(g.last)) for m, g in pairs.items()}
        follow = asked if policy is None else {**asked, **{m: g.entry for m, g in pairs.items()}}
        return Course(source, saved.shift, theirs, follow, saved.listening)
    ours = {m: (base := _wish(m, g), dict(base), dict(g.last)) for m, g in pairs.items()}
    if policy == "rescale":
        return Course(clock.code, _rescaled(clock.code, saved) - saved.committed, ours, asked)
    if policy == "continue":
        for member, group in pairs.items():
            ours[member][1].update(_joined(clock.code, saved, member, group))
    return Course(clock.code, 0, ours, asked)


def _wish(member: Member, group: SavedGroup) -> Values:
    """Return the base values that the code asks for; what it does not know is the checkpoint's."""
    known = {key for key in group.base if key in member.read and _agrees(member, group, key)}
    wishes = {key: value for key, value in member.read.items() if key not in known}
    return {**group.base, **wishes}


def _rescaled(code: Source, saved: Saved) -> int:
    """Return the position in the code's schedule at the progress of the checkpoint, k·T'/T."""
    if not code.total or not saved.total:
        rule = f"has total {saved.total} in the checkpoint and {code.total} in the code"
        raise ScheduleError(Call("Scheduler", "resume", "rescale"), rule, "give both runs a total")
    position = saved.committed + saved.shift
    return (2 * position * code.total + saved.total) // (2 * saved.total)


def _joined(code: Source, saved: Saved, member: Member, group: SavedGroup) -> Values:
    """Return the peaks with which the code's schedule goes on where the checkpoint's would."""
    who = Call("Scheduler", "resume", "continue")
    peaks: Values = {}
    goal = _next_of(saved.source(), saved, group)
    feedback = SourceFeedback(code)
    for key, (schedule, _) in code.parts(member.asked).items():
        level = float(feedback.view(schedule).values(1, saved.committed)[0])
        if key not in goal or not group.peak[key]:
            continue
        if not level or not goal[key]:
            which = "code's" if not level else "checkpoint's"
            rule = f"finds the {which} {key} at 0 at update {saved.committed}"
            raise ScheduleError(who, rule, 'use resume="code" or resume="rescale"')
        peaks[key] = goal[key] / level
    return peaks


def _next_of(source: Source, saved: Saved, group: SavedGroup) -> Values:
    position = saved.committed + saved.shift
    feedback = SourceFeedback(source)
    feedback.restore(_WHO, saved.listening)
    levels = {
        key: float(feedback.view(schedule).values(1, position)[0])
        for key, (schedule, _) in source.parts(group.entry).items()
        if key in group.peak
    }
    return {key: group.peak[key] * level for key, level in levels.items()}


def _next_values(saved: Saved, pairs: dict[Member, SavedGroup]) -> dict[Member, Values]:
    if saved.form is None:
        return {}
    source = saved.source()
    return {member: _next_of(source, saved, group) for member, group in pairs.items()}


# Going on -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """All that a clock is set to, made beside it: nothing of it can fail any more.

    Attributes:
        feedback: The schedules that listen, with what they had come to.
        members: Each member's like, as it will be.
        coming: Its values at the coming update, as far as they may be asked for.
    """

    feedback: SourceFeedback
    members: dict[Member, Member]
    coming: dict[Member, Values]


def _prepared(clock: Clock, saved: Saved, course: Course, told: bool) -> Start:
    """Return what a clock is going to be set to, with every value of it looked at.

    A function is asked for the coming update alone, and only if its value is written or told.

    Raises:
        ScheduleError: what listens is of other schedules; a group has no such key; the values to
            come cannot be computed, or are no rates.
    """
    feedback = SourceFeedback(course.source)
    if course.listening is not None:
        feedback.restore(_WHO, course.listening)
    members: dict[Member, Member] = {}
    for index, member in enumerate(clock.members):
        base, peak, last = course.values.get(member, (member.base, member.peak, member.last))
        held = {**peak, **member.last, **last}  # a key of the code's that the checkpoint has not
        last = {key: held[key] for key in peak}
        values = {"base": dict(base), "peak": dict(peak), "last": last}
        members[member] = replace(member, **values, entry=course.entries[member])
        members[member].aim(course.source, index)
    announced = saved.announced and not course.source.is_open_function
    asked = AHEAD if course.source.form is not None else int(announced or told)
    position = saved.committed + course.shift
    coming = {
        m: _ahead(course.source, feedback, one, position, asked) for m, one in members.items()
    }
    return Start(feedback, members, coming)


def _ahead(
    source: Source, feedback: SourceFeedback, member: Member, position: int, count: int
) -> Values:
    """Return the values of a member at a position; those behind it are looked at as well."""
    coming: Values = {}
    parts = source.parts(member.entry)
    for key, place in member.places.items():
        _check_fits(member, key, place, member.last[key])
        if not count:
            continue
        try:
            levels = feedback.view(parts[key][0]).values(count, position)
        except ScheduleError:
            raise
        except Exception as error:
            rule = f"got a schedule that has no level at update {position}: {shorten(error)}"
            raise ScheduleError(_WHO, rule, _FIX) from error
        with np.errstate(over="ignore"):
            values = member.peak[key] * levels
        _check_fits(member, key, place, float(np.abs(values).max()))
        coming[key] = float(values[0])
    return coming


def _check_fits(member: Member, key: str, place: tuple[str, int | None], value: float) -> None:
    """Refuse a value with which no optimizer could step.

    Betas are below 1; other numbers, and their squares, are finite in the precision of the
    parameters, and of the tensor that they are put into.
    """
    name, index = place
    group = member.group or {}
    kinds = [p.dtype for p in group.get("params", ()) if p.is_floating_point()]
    precision = torch.float64 if kinds and {*kinds} == {torch.float64} else torch.float32
    most = math.sqrt(torch.finfo(precision).max)
    held = group.get(name) if index is None else group[name][index]
    if isinstance(held, Tensor) and held.is_floating_point():
        most = min(most, torch.finfo(held.dtype).max)
    if not abs(value) <= most or (name == "betas" and value >= 1):
        whose = "" if member.name is None else f" of {who_is(member.name, 0)}"
        rule = f"got a state in which {key}{whose} comes to {value:g}"
        raise ScheduleError(_WHO, rule, _FIX)


def _commit(clock: Clock, saved: Saved, course: Course, start: Start) -> None:
    clock.used, clock.shift, clock.feedback = course.source, course.shift, start.feedback
    clock.set(saved.committed)
    for member, new in start.members.items():
        member.places, member.entry = new.places, new.entry
        member.base, member.peak, member.last = new.base, new.peak, new.last
    clock.lay_out()
    if clock.handles and saved.announced and not clock.used.is_open_function:
        clock.write_coming()
    elif clock.handles:
        clock.write()


def _report(
    clock: Clock,
    pairs: Mapping[Member, SavedGroup],
    before: Mapping[Member, Values],
    after: Mapping[Member, Values],
    policy: str,
) -> None:
    """Print one line for each group: its values at the next update, before and after."""
    for index, member in enumerate(clock.members):
        if member in pairs:
            old = before.get(member, {})
            changes = ", ".join(
                f"{key} {old[key]:g} -> {value:g}" if key in old else f"{key} -> {value:g}"
                for key, value in after[member].items()
            )
            where = f"at update {clock.t} (resume={policy!r})"
            print(shown(f"ratewise: {who_is(member.name, index)}: {changes} {where}", sys.stdout))
