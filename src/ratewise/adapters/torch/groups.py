"""The groups of an optimizer, as the clock knows them: by identity or name.

A place counts once, when a plan that means a group by its place is bound.
"""

from __future__ import annotations

import hashlib
import math
import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ratewise.adapters.torch.source import Source
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import nearest, shorten
from ratewise.schedule.plan import groups_meant

Group = dict[str, Any]
Label = tuple[str | None, str]
"""(name or None, signature of the parameters)"""

SURE, MAYBE, KEPT, NO = "sure", "maybe", "kept", "no"
_INDEXED = re.compile(r"(\w+)\[(\d+)\]")


@dataclass(eq=False)
class Member:
    """One group: what its keys were worth when it was bound, and what they are worth now.

    Attributes:
        name: The group's "name", or None.
        group: The optimizer's own dict, or None once the group was removed.
        places: Where each scheduled key lives, (key of the group, index or None).
        read: Values found in the code, by key: the plan's peak or the optimizer's own.
        trust: Whether `read` is the code's wish: "sure", "maybe" (a loaded optimizer may have
            brought it), "kept" (it was kept beside the value by a schedule before), or "no" (the
            optimizer had already trained).
        base: Values that the run was meant to have, by key; with no checkpoint, `read`.
        peak: Values at level 1, by key; `base`, unless something changed it on the way.
        last: Values last written, by key.
        entry: The key of `Plan.groups` that it follows, or None.
        asked: The one that the code asks for; a checkpoint's plan may be followed.
    """

    name: str | None
    group: Group | None
    places: dict[str, tuple[str, int | None]]
    read: dict[str, float]
    trust: dict[str, str]
    base: dict[str, float] = field(default_factory=dict[str, float])
    peak: dict[str, float] = field(default_factory=dict[str, float])
    last: dict[str, float] = field(default_factory=dict[str, float])
    entry: str | None = None
    asked: str | None = None
    owned: dict[int, weakref.ref[Tensor]] = field(default_factory=dict[int, "weakref.ref[Tensor]"])

    @property
    def label(self) -> Label:
        """The name and signature by which a checkpoint finds the group."""
        return self.name, signature(self.group or {})

    def attach(self, group: Group) -> None:
        """Make `group` the dict that is written to."""
        self.group = group
        self.owned = {id(p): weakref.ref(p) for p in group["params"]}

    def alive(self) -> bool:
        """Tell whether a parameter of the group still exists."""
        return any(ref() is not None for ref in self.owned.values())

    def aim(self, source: Source, index: int) -> None:
        """Follow the keys of another source; those that are new are read from the group."""
        group = self.group or {}
        who = who_is(self.name, index)
        parts = source.parts(self.entry)
        self.places = {k: self.places.get(k) or locate(who, group, k) for k in parts}
        for key in self.places.keys() - self.peak.keys():
            value = self.read.get(key)
            value = read(who, group, *self.places[key]) if value is None else value
            self.base[key] = self.peak[key] = self.last[key] = value

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "group": None, "owned": {}}


def read_members(
    optimizer: Optimizer, source: Source, bound: bool, before: Sequence[Member]
) -> list[Member]:
    """Return a member for each group of an optimizer that a schedule takes on.

    Args:
        optimizer: The optimizer.
        source: What it takes on.
        bound: Whether it has a schedule now.
        before: Its members under the schedule that it had before.

    Raises:
        ScheduleError: it has a schedule or no groups; an unknown group, a key that is always 0,
            a value of which nobody can tell whether an earlier schedule has moved it.
    """
    groups, defaults = optimizer.param_groups, optimizer.defaults
    if bound:
        rule = f"found a schedule on this {type(optimizer).__name__}"
        fix = "call detach() on its scheduler, Scheduler.of(optimizer), first"
        raise ScheduleError("Scheduler", rule, fix)
    if not groups:
        rule = f"found no groups in this {type(optimizer).__name__}"
        raise ScheduleError("Scheduler", rule, "add the parameters first")
    asked = entries(source.plan, groups)
    fresh = not was_used(optimizer)
    members = [
        join_member(source, group, i, asked.get(i), fresh, defaults, known)
        for i, (group, known) in enumerate(zip(groups, recognise(groups, before), strict=True))
    ]
    check_peaks_known(members)
    check_levels_matter(members)
    return members


def was_used(optimizer: Optimizer) -> bool:
    """Tell whether an optimizer holds the state of updates: Adagrad has one from the start."""
    states = optimizer.state.values()
    return any(not isinstance(one, dict) or float(one.get("step", 1)) > 0 for one in states)


def join_member(
    source: Source,
    group: Group,
    index: int,
    entry: str | None,
    fresh: bool,
    defaults: Group,
    before: Member | None = None,
) -> Member:
    """Return the member for a group that was not known before; its values are read here, once."""
    name = name_of(group)
    who = who_is(name, index)
    parts = source.parts(entry)
    places = {key: locate(who, group, key) for key in parts}
    own = {key: read(who, group, *place) for key, place in places.items()}
    values, trust = dict(own), dict[str, str]()
    for key, (_, peak) in parts.items():
        kept = _kept(group, key, own[key], before)
        if peak is not None:
            values[key], trust[key] = peak, SURE
        elif kept is not None:
            values[key], trust[key] = kept
        elif own[key] == _default(defaults, places[key]):
            trust[key] = SURE
        else:
            trust[key] = MAYBE if fresh else NO
    member = Member(name, None, places, values, trust, dict(values), dict(values), dict(own))
    member.entry = member.asked = entry
    member.attach(group)
    return member


def kept_as(key: str) -> str:
    """Return the name under which a group keeps what a key is worth at level 1, as PyTorch does."""
    return f"initial_{key}"


def _kept(group: Group, key: str, own: float, before: Member | None) -> tuple[float, str] | None:
    """Return (value at level 1, trust), where more than the group's own value tells it.

    A value that the schedule before left there is that schedule's. Else what PyTorch's schedulers
    and our states keep beside the rate is the peak (`OneCycleLR` has its own under another name),
    unless the rate is above it: `CyclicLR` keeps its low end, and a hand may have set the rate.
    """
    if before is not None and key in before.peak:
        peak = before.peak[key]
        if close(own, peak) or close(own, before.last.get(key, peak)):
            return peak, before.trust.get(key, MAYBE)
    value = group.get(kept_as(key))
    if not isinstance(value, int | float | Tensor):
        return None
    peak = float(group["max_lr"] if "min_lr" in group and "max_lr" in group else value)
    return peak, KEPT if own <= peak or close(own, peak) else NO


def close(a: float, b: float) -> bool:
    """Tell whether two values are one: a float32 tensor rounds what it is given."""
    return math.isclose(a, b, rel_tol=1e-6)


def who_is(name: str | None, index: int) -> str:
    """Return how messages call a group."""
    return f"group {index}" if name is None else f"group {name!r}"


def _default(defaults: Group, place: tuple[str, int | None]) -> float | None:
    try:
        return read("", defaults, *place)
    except (KeyError, IndexError, ScheduleError):
        return None


def locate(who: str, group: Group, key: str) -> tuple[str, int | None]:
    """Return (key of the group, index or None) for a key of a plan."""
    if key == "momentum" and "momentum" not in group and "betas" in group:
        return "betas", 0
    match = None if key in group else _INDEXED.fullmatch(key)
    name, index = (match[1], int(match[2])) if match else (key, None)
    if name not in group:
        known = [other for other in group if other not in ("params", "param_names", "name")]
        raise ScheduleError(f"Plan({key}=…)", f"is not a key of {who}", nearest(key, known))
    if index is not None and not index < len(group[name]):
        rule = f"is past the end of {name!r}, which has {len(group[name])} entries in {who}"
        raise ScheduleError(f"Plan({key}=…)", rule, f"use an index below {len(group[name])}")
    return name, index


def read(who: str, group: Group, name: str, index: int | None) -> float:
    """Return a group's value as a float; a tensor is read from its device."""
    value = group[name] if index is None else group[name][index]
    single = not isinstance(value, Tensor) or value.numel() == 1
    number = isinstance(value, int | float | Tensor) and not isinstance(value, bool)
    if not (single and number and math.isfinite(float(value))):
        rule = f"has {name}={shorten(value)}"
        raise ScheduleError(who, rule, "only one finite number can be scheduled")
    return float(value)


def put(group: Group, name: str, index: int | None, value: float) -> None:
    """Set a group's value; a tensor is filled in place."""
    old = group.get(name) if index is None else group[name][index]
    if isinstance(old, Tensor):
        old.fill_(value)
    elif index is None:
        group[name] = value
    else:
        items = group[name]
        group[name] = type(items)([*items[:index], value, *items[index + 1 :]])


def check_peaks_known(members: Sequence[Member]) -> None:
    """Refuse a value that may be where an earlier schedule, or a loop by hand, had left it.

    It is neither the optimizer's default nor kept anywhere, and the optimizer has trained.
    """
    for index, member in enumerate(members):
        for key in (key for key, trust in member.trust.items() if trust == NO):
            rule = f"finds {key}={member.last[key]:g} on an optimizer that was used, and no peak"
            fix = (
                f"give Plan(…, peak={{{key!r}: …}}), or set {kept_as(key)!r} in the group, or make "
                "the Scheduler before the optimizer's state is loaded"
            )
            raise ScheduleError(f"Scheduler, {who_is(member.name, index)},", rule, fix)


def check_levels_matter(members: Sequence[Member]) -> None:
    """Refuse a key that is 0 in every group: a level of 0 is 0.

    A value of 0 in some groups is meant (no decay for biases, a frozen part).
    """
    for key in dict.fromkeys(key for member in members for key in member.places):
        if not any(member.read[key] for member in members if key in member.places):
            fix = f"give the optimizer its {key}, or the plan a peak={{{key!r}: …}}"
            raise ScheduleError(f"Plan({key}=…)", f"multiplies {key}=0 in every group", fix)


def signature(group: Group) -> str:
    """Return a short text that tells apart groups of other sizes or shapes."""
    shapes = [tuple(p.shape) for p in group.get("params", ())]
    digest = hashlib.blake2s(repr(shapes).encode(), digest_size=6).hexdigest()
    return f"{len(shapes)} tensors, {digest}"


def recognise(groups: Sequence[Group], known: Sequence[Member]) -> list[Member | None]:
    """Return the member that each group of this process is: same dict, else same parameters."""
    by_dict = {id(member.group): member for member in known if member.group is not None}
    by_tensor = {tensor: member for member in known for tensor in member.owned}
    return [by_dict.get(id(group)) or _owner(group, by_tensor) for group in groups]


def _owner(group: Group, by_tensor: dict[int, Member]) -> Member | None:
    for tensor in group["params"]:
        member = by_tensor.get(id(tensor))
        if member is not None and member.owned[id(tensor)]() is tensor:
            return member
    return None


def pair(saved: Sequence[Label], here: Sequence[Label]) -> dict[int, int]:
    """Return {position here: position saved}, by name, else by signature in order.

    Groups that are only here are new, groups that are only saved are gone.

    Raises:
        ScheduleError: more than one answer makes sense.
    """
    found = _pair_names(saved, here)
    left = [i for i in range(len(saved)) if i not in found.values()]
    mine = [i for i in range(len(here)) if i not in found]
    if not _all_named(saved, left) or not _all_named(here, mine):
        for kind in dict.fromkeys(here[i][1] for i in mine):
            ours = [i for i in mine if here[i][1] == kind]
            theirs = [i for i in left if saved[i][1] == kind]
            if len(ours) == len(theirs):
                found.update(zip(ours, theirs, strict=True))
    left = [i for i in left if i not in found.values()]
    mine = [i for i in mine if i not in found]
    if left and mine:
        theirs, ours = _list(saved, left), _list(here, mine)
        rule = f"cannot match its groups {theirs} to the optimizer's {ours}"
        fix = 'give the groups a name, {"params": …, "name": "head"}, or use the groups of the run'
        raise ScheduleError("The checkpoint", rule, fix)
    return found


def _pair_names(saved: Sequence[Label], here: Sequence[Label]) -> dict[int, int]:
    theirs = [name for name, _ in saved]
    ours = [name for name, _ in here]
    return {
        i: theirs.index(name)
        for i, name in enumerate(ours)
        if name is not None and ours.count(name) == theirs.count(name) == 1
    }


def _all_named(labels: Sequence[Label], chosen: Sequence[int]) -> bool:
    return all(labels[i][0] is not None for i in chosen)


def _list(labels: Sequence[Label], chosen: Sequence[int]) -> str:
    return ", ".join(f"{labels[i][0] or i} ({labels[i][1]})" for i in chosen)


def name_of(group: Group) -> str | None:
    """Return the name of a group, as a text, or None."""
    name = group.get("name")
    return None if name is None else str(name)


def entry_of(plan: Plan, name: str | None) -> str | None:
    """Return the key of a plan's groups by which a group that joins late is meant: its name."""
    return name if name in plan.groups else None


def entries(plan: Plan, groups: Sequence[Group]) -> dict[int, str]:
    """Return the key of a plan's groups by which each group is meant: its name, else its place.

    Raises:
        ScheduleError: a key means no group, or nobody can tell which; a group is meant twice.
    """
    names = [name_of(group) for group in groups]
    found: dict[int, str] = {}
    for key in plan.groups:
        who, meant = f"Plan(groups={{{key!r}: …}})", groups_meant(key, names)
        if not meant:
            known, places = [name for name in names if name], ", ".join(map(str, range(len(names))))
            fix = f'name it: {{"params": …, "name": "head"}}, or give its place, one of {places}'
            fix = nearest(key, known) if known else fix
            raise ScheduleError(who, "names no group of the optimizer", fix)
        for i in meant:
            if i in found:
                rule = f"is group {i}, which the plan names {found[i]!r} too"
                raise ScheduleError(who, rule, "leave one of them out")
            found[i] = key
    return found


def is_plain(member: Member) -> bool:
    """Tell whether only the rate of a group is scheduled, and is a float."""
    group = member.group or {}
    return list(member.places.values()) == [("lr", None)] and not isinstance(group["lr"], Tensor)


def adopt(group: Group, lost: list[Member]) -> Member | None:
    """Return the lost member that a new dict stands for: same name, or both empty."""
    name = name_of(group)
    for member in lost:
        empty = not group["params"] and member.group is not None and not member.group["params"]
        if member.name == name and (name is not None or empty):
            lost.remove(member)
            return member
    return None


def separate_tensors(members: list[Member], source: Source) -> None:
    """Give groups that share one tensor, but not its values, a tensor each."""
    seen: dict[int, tuple[int, float]] = {}
    for member in members:
        for key, (name, index) in member.places.items():
            value = (member.group or {}).get(name)
            if index is None and isinstance(value, Tensor):
                follows = id(source.parts(member.entry)[key][0]), member.peak[key]
                if seen.setdefault(value.data_ptr(), follows) != follows and member.group:
                    member.group[name] = value.clone()
