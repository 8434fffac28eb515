"""The groups of an optimizer, as the clock knows them: by identity or name.

A place counts once, when a plan that means a group by its place is bound.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ratewise.adapters.torch.carried import group_was_used
from ratewise.adapters.torch.factors import factor_of
from ratewise.adapters.torch.meant import entries, name_of
from ratewise.adapters.torch.source import Source
from ratewise.adapters.torch.values import (
    Group,
    close,
    default_of,
    kept_as,
    locate,
    put,
    read,
    who_is,
)
from ratewise.schedule import ScheduleError

Label = tuple[str | None, str]
"""(name or None, signature of the parameters)"""

SURE, MAYBE, KEPT, NO = "sure", "maybe", "kept", "no"


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
        placed: By what they are known in the group, by key, while the clock is laid out anew.
        factors: By what the group multiplies a key, such as timm's `lr_scale`; in `peak` already.
        plain: Values of those keys at level 1 without their factors, as they were read.
        found: Keys whose values at level 1 the group kept when it was bound.
        homes: Tensors that a clock on a device writes to, by key.
        numbers: Keys that held a number before such a clock put a tensor there.
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
    placed: dict[str, Any] = field(default_factory=dict[str, Any])
    owned: dict[int, weakref.ref[Tensor]] = field(default_factory=dict[int, "weakref.ref[Tensor]"])
    factors: dict[str, float] = field(default_factory=dict[str, float])
    plain: dict[str, float] = field(default_factory=dict[str, float])
    found: frozenset[str] = frozenset()
    homes: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    numbers: set[str] = field(default_factory=set[str])

    @property
    def label(self) -> Label:
        """The name and signature by which a checkpoint finds the group."""
        return self.name, signature(self.group or {})

    def attach(self, group: Group) -> None:
        """Make `group` the dict that is written to."""
        self.group = group
        self.placed = {}
        self.owned = {}

    def release(self) -> None:
        """Let go of a group that was taken out, and know its parameters if they come back.

        Before, none of them is referred to weakly: PyTorch exchanges no tensor that is, as
        `model.to(…)` does with those of FSDP2.
        """
        if self.group is not None:
            self.owned = {id(p): weakref.ref(p) for p in self.group["params"]}
            self.group = None

    def parameters(self) -> dict[int, Tensor]:
        """Return the parameters of the group by identity; of one taken out, those that exist."""
        if self.group is not None:
            return {id(p): p for p in self.group["params"]}
        return {key: p for key, ref in self.owned.items() if (p := ref()) is not None}

    def plain_peak(self, key: str) -> float:
        """Return the value of a key at level 1 without the group's factor, as it is kept."""
        peak, factor = self.peak[key], self.factors.get(key, 1.0)
        plain = self.plain.get(key, peak)
        return plain if plain * factor == peak or not factor else peak / factor

    def kept(self) -> dict[str, float]:
        """Return the values at level 1 by the names under which a group keeps them."""
        return {kept_as(key): self.plain_peak(key) for key in self.places}

    def keep_peaks(self) -> None:
        """Keep the values at level 1 in the group, where PyTorch's schedulers keep theirs."""
        if self.group is not None:
            self.group.update(self.kept())

    def give_back(self, peaks: bool) -> None:
        """Take out of the group what was put there; `peaks`: it holds those from now on."""
        if (group := self.group) is None:
            return
        for key, place in self.places.items():
            if peaks:
                put(group, *place, self.plain_peak(key))
            if key not in self.found and group.get(kept_as(key)) == self.plain_peak(key):
                del group[kept_as(key)]  # another value is that of another scheduler

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
        return {**self.__dict__, "group": None, "owned": {}, "placed": {}, "homes": {}}


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
    fresh = [not group_was_used(optimizer, group) for group in groups]
    members = [
        join_member(source, groups, i, asked.get(i), fresh[i], defaults, known)
        for i, known in enumerate(recognise(groups, before))
    ]
    check_peaks_known(members)
    check_levels_matter(members)
    return members


def join_member(
    source: Source,
    groups: Sequence[Group],
    index: int,
    entry: str | None,
    fresh: bool,
    defaults: Group,
    before: Member | None = None,
) -> Member:
    """Return the member for a group that was not known before; its values are read here, once."""
    group = groups[index]
    name = name_of(group)
    who = who_is(name, index)
    parts = source.parts(entry)
    places = {key: locate(who, group, key) for key in parts}
    own = {key: read(who, group, *place) for key, place in places.items()}
    stated = source.plan.groups[entry].peak if entry is not None else {}  # a group's own is whole
    factors = {k: 1.0 if k in stated else factor_of(group, groups, defaults, k) for k in parts}
    plain, trust = dict[str, float](), dict[str, str]()
    for key, (_, peak) in parts.items():
        known = None if before is None else _known(before, key, own[key])
        kept = _kept(group, key, own[key], factors[key])
        plain[key] = own[key]
        if peak is not None:
            plain[key], trust[key] = peak, SURE
        elif known is not None:
            plain[key], trust[key] = known
        elif kept is not None:
            plain[key], trust[key] = kept
        elif own[key] == default_of(defaults, places[key]):
            trust[key] = SURE
        else:  # what is loaded comes in another dict; in that which a schedule left, a hand set it
            by_hand = before is not None and before.group is group
            trust[key] = MAYBE if fresh or by_hand else NO
    values = {key: value * factors[key] for key, value in plain.items()}
    member = Member(name, None, places, values, trust, dict(values), dict(values), dict(own))
    member.entry = member.asked = entry
    member.factors = {key: factor for key, factor in factors.items() if factor != 1}
    member.plain = plain
    member.found = frozenset(key for key in parts if kept_as(key) in group)
    member.attach(group)
    return member


def _known(before: Member, key: str, own: float) -> tuple[float, str] | None:
    """Return (value at level 1 without a factor, trust) of the schedule that left a value there."""
    if key not in before.peak:
        return None
    left = before.peak[key], before.plain_peak(key), before.last.get(key, own)
    if not any(close(own, value) for value in left):
        return None
    return before.plain_peak(key), before.trust.get(key, MAYBE)


def _kept(group: Group, key: str, own: float, factor: float) -> tuple[float, str] | None:
    """Return (value at level 1 without a factor, trust), where a group keeps it beside the value.

    What PyTorch's schedulers and ours keep there is the peak (`OneCycleLR` has its own under
    another name), unless the rate is above it: `CyclicLR` keeps its low end, and a hand may have
    set the rate.
    """
    value = group.get(kept_as(key))
    if not isinstance(value, Real | Tensor):
        return None
    peak = float(group["max_lr"] if "min_lr" in group and "max_lr" in group else value)
    most = peak * max(factor, 1.0)
    return peak, KEPT if own <= most or close(own, most) else NO


def kept_in(member: Member, group: Group, key: str) -> float | None:
    """Return the value at level 1 that a group which was loaded keeps for a member, if it does."""
    factor = member.factors.get(key, 1.0)
    kept = _kept(group, key, read("", group, *member.places[key]), factor)
    return None if kept is None or kept[1] == NO else kept[0] * factor


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
    by_tensor = {key: member for member in known for key in member.parameters()}
    return [by_dict.get(id(group)) or _owner(group, by_tensor) for group in groups]


def _owner(group: Group, by_tensor: dict[int, Member]) -> Member | None:
    owners = (by_tensor.get(id(tensor)) for tensor in group["params"])
    return next((member for member in owners if member is not None), None)


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
