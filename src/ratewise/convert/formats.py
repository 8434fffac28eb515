"""What a format is: how to know it, how to read it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ratewise.convert.pieces.flags import flags, typed
from ratewise.convert.sources.unknown import Unknown, known_part, like, rest_of
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import Fix, nearest, shorten
from ratewise.schedule.lengths import Horizon, updates_in


def ask(name: str, more: str = "") -> Fix:
    """Return the advice to give `read` an argument, and what else would do."""
    return Fix(f"give {{{name}}}{more}", f"call read(…, {name}=…){more}", **{name: "…"})


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run, from its config and from whoever asks.

    Attributes:
        horizon: Updates of the run, of an epoch; samples and tokens of an update.
        more: Anything else that a format needs, by name.
        epochs: Epochs in the run.
        batch_size: Samples that a process takes at once.
        accumulation: Batches in an update.
        processes: How many processes train.
        examples: Samples in an epoch.
    """

    horizon: Horizon = field(default_factory=Horizon)
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    epochs: float | None = None
    batch_size: float | None = None
    accumulation: float | None = None
    processes: float | None = None
    examples: float | None = None

    def completed(self) -> RunFacts:
        """Return the same with the samples of an update and the updates of the run worked out.

        samples = batch_size · accumulation · processes, total = ceil(epochs · epoch), where they
        are not known otherwise; so is an epoch of so many examples. Accumulation and processes are
        1 unless told.
        """
        horizon = self.horizon
        if horizon.epoch is None and self.examples is not None and self.batch_size is not None:
            sizes = self.batch_size, self.accumulation or 1, self.processes or 1
            horizon = replace(horizon, epoch=Fraction(updates_in(self.examples, *sizes)))
        if horizon.samples is None and self.batch_size is not None:
            samples = self.batch_size * (self.accumulation or 1) * (self.processes or 1)
            horizon = replace(horizon, samples=Fraction(samples))
        if horizon.total is None and self.epochs is not None and horizon.epoch is not None:
            total = math.ceil(Fraction(self.epochs) * horizon.epoch)
            horizon = replace(horizon, total=max(total, 1))
        return replace(self, horizon=horizon)

    @property
    def total(self) -> int | None:
        """Updates in the run, where known."""
        return self.horizon.total

    def lasting(self, total: int) -> RunFacts:
        """Return the same with the updates of the run."""
        return replace(self, horizon=replace(self.horizon, total=total))

    def need_total(self, who: str) -> int:
        """Return the updates of the run, which have to be known."""
        if self.horizon.total is None:
            raise ScheduleError(who, f"depends on the length of {self.lasts()}", self.ask_total())
        return self.horizon.total

    def lasts(self) -> str:
        """Return what is known of the length of the run, for a message."""
        if self.epochs is None:
            return "the run"
        return f"the run, {self.epochs:g} epoch{'' if self.epochs == 1 else 's'}"

    def ask_total(self, more: str = "") -> Fix:
        """Return the advice to tell the length: of an epoch, where the epochs are known."""
        if self.epochs is None or self.horizon.epoch is not None:
            return ask("total", more)
        first = "the updates of an epoch with {epoch}, its samples with {examples}, or all updates"
        plain = first.replace("{epoch}", "epoch=…").replace("{examples}", "examples=…")
        return Fix(
            f"give {first} with {{total}}{more}",
            f"call read(…) with {plain} with total=…{more}",
            **dict.fromkeys(("epoch", "examples", "total"), "…"),
        )

    def need(self, who: str, name: str) -> Fraction:
        """Return `epoch`, `samples` or `tokens`, which has to be known."""
        value = getattr(self.horizon, name)
        if value is None:
            raise ScheduleError(who, f"depends on {name}", ask(name))
        return value

    def need_epoch(self, who: str) -> int:
        """Return the updates of an epoch, which have to be whole."""
        size = self.need(who, "epoch")
        if size.denominator != 1:
            rule = f"needs epoch as a whole number of updates, got {float(size):g}"
            raise ScheduleError(who, rule, "give an int")
        return int(size)


# Recognition --------------------------------------------------------------------------------

SURE = 3
"""Weight from which on a source is taken for a format's own."""


@dataclass(frozen=True)
class FormatMark:
    """Something that a config of a format has.

    Attributes:
        key: A key or a path of keys, "optimizer.params.lr"; a flag as it is typed,
            "--lr-scheduler"; the beginning of either, "--lr-decay-*"; or "", the source itself.
        weight: What it says: `SURE` if no other format has it, less if others have it too; below
            0 if it speaks against the format.
        value: Names of which its value is one, or a test of its value; left out, anything.
    """

    key: str
    weight: int = SURE
    value: Collection[str] | Callable[[Any], bool] | None = None

    def fits(self, value: Any) -> bool:
        """Whether a value that was found is what the mark says."""
        if isinstance(value, Unknown):
            return value.said and self.value is None
        if value is None or self.value is None:
            return value is not None
        if callable(self.value):
            return self.value(value)
        return isinstance(value, str) and value in self.value


@dataclass(frozen=True)
class Evidence:
    """How much speaks for a format, and what; true where that is enough."""

    weight: int = 0
    seen: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.weight >= SURE


class Marks:
    """All marks of a format; called with a source, the evidence in it."""

    def __init__(self, *marks: FormatMark) -> None:
        self._marks = marks

    def __call__(self, source: Any) -> Evidence:
        keys = _keys(source)
        found = [m for m in self._marks if m.fits(_value(keys, m.key) if m.key else source)]
        seen = [mark.key for mark in found if mark.key and mark.weight > 0]
        return Evidence(sum(mark.weight for mark in found), tuple(seen))


def marks(names: str, weight: int = SURE) -> list[FormatMark]:
    """Return marks of one weight, by keys with spaces between them."""
    return [FormatMark(name, weight) for name in names.split()]


def program(names: str, weight: int = SURE) -> FormatMark:
    """Return the mark of a command that runs one of a project's own programs.

    Args:
        names: A regular expression of what they are called, without their folder.
        weight: As of `FormatMark`.
    """
    return FormatMark("", weight, lambda source: bool(programs(source, names)))


def programs(source: Any, names: str) -> set[str]:
    r"""Return which of these programs the commands of a text run.

    >>> programs("accelerate launch examples/train_controlnet.py --lr 1", r"train_\w+\.py")
    {'train_controlnet.py'}
    """
    if not isinstance(source, str) or "--" not in source:
        return set()
    text = _COMMENT.sub("", source)
    return {found[0] for found in re.finditer(rf"(?<![\w-])(?:{names})(?![\w-])", text)}


_COMMENT = re.compile(r"^[ \t]*+#[^\n]*+", re.MULTILINE)


def _keys(source: Any) -> Mapping[str, Any]:
    """Return the keys of a mapping, or of flags, those also as they were typed."""
    if isinstance(source, Mapping):
        return {**source, **flags("flags", source)}
    return _keys_of_flags(source) if isinstance(source, str) and "--" in source else {}


@functools.lru_cache(maxsize=8)
def _keys_of_flags(source: str) -> Mapping[str, Any]:
    """Return the keys of flags, which every format is asked about."""
    try:
        return {**flags("flags", source), **typed("flags", source)}
    except ScheduleError:
        return {}


def _value(keys: Mapping[str, Any], path: str) -> Any:
    if path.endswith("*"):
        return next((v for k, v in keys.items() if str(k).startswith(path[:-1])), None)
    return dig(keys, path)


@dataclass(frozen=True)
class Format:
    """A format that can be read.

    Attributes:
        name: What `format=` calls it, "deepspeed".
        what: What it is, in a few words, for messages: "DeepSpeed JSON".
        matches: What in a source speaks for it, `Marks`, or whether it looks like it; imports
            nothing and runs nothing of the source's.
        read: Returns the plan.
        facts: Where a config says what is known of its run: paths of keys, with spaces between
            them, by the name of the fact: "lr", "total", "epochs", "batch_size", "accumulation".
        reads: Paths of what else is read, or plays no part; what lies below one goes with it.
    """

    name: str
    what: str
    matches: Callable[[Any], bool | Evidence]
    read: Callable[[Any, RunFacts], Plan]
    facts: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    reads: str = ""

    def evidence(self, source: Any) -> Evidence:
        """Return what speaks for the source being in this format."""
        whole = isinstance(self.matches, Marks) or rest_of(source) is None
        found = self.matches(source if whole else known_part(source))
        return found if isinstance(found, Evidence) else Evidence(SURE if found else 0)

    def stated(self, source: Any, fact: str) -> tuple[str, Any] | None:
        """Return where a config states a fact of its run, and what it says."""
        keys = _keys(source)
        for path in self.facts.get(fact, "").split():
            value = dig(keys, path)
            if value is not None:
                return path, value
        return None


TRAINER_FACTS = {
    "lr": "learning_rate",
    "total": "max_steps training_steps",
    "epochs": "num_train_epochs num_epochs",
    "batch_size": "per_device_train_batch_size train_batch_size",
    "accumulation": "gradient_accumulation_steps",
}
"""Where the arguments of a Trainer state what is known of a run."""


# What all readers share ---------------------------------------------------------------------


def dig(source: Any, path: str) -> Any:
    """Return what lies at a path of keys such as "optimizer.params.lr", or None."""
    for key in path.split("."):
        if isinstance(source, Unknown):
            return source.within(path)
        if not isinstance(source, Mapping):
            return None
        source = source.get(key)
    return source


def put(source: Any, path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a config, or of flags as a mapping, with another value at a path of keys."""
    keys = source if isinstance(source, Mapping) else flags("flags", source)
    first, _, rest = path.partition(".")
    dashed = next((key for key in keys if str(key).lstrip("-").replace("-", "_") == first), first)
    key = first if first in keys else dashed
    return like(keys, {**keys, key: put(keys.get(key, {}), rest, value) if rest else value})


def check_keys(who: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the first key that is not known, with the nearest one that is."""
    allowed = list(known)
    for key in given:
        if key not in allowed:
            raise ScheduleError(who, f"has the key {shorten(key)}", nearest(key, allowed))


NEEDED = object()
"""In place of a default: an argument that has to be given."""


def signature(needed: str, **defaults: Any) -> dict[str, Any]:
    """Return arguments with their defaults; those that are needed have spaces between them."""
    return {**dict.fromkeys(needed.split(), NEEDED), **defaults}


def completed(
    who: str, given: Mapping[str, Any], known: Mapping[str, Any], *others: str
) -> dict[str, Any]:
    """Return arguments with the defaults of those left out; `others` are known and play no part."""
    check_keys(who, given, [*known, *others])
    for name, default in known.items():
        if default is NEEDED and name not in given:
            raise ScheduleError(who, f"has no {name}", f"give {name}=…")
    return {**known, **given}


def only_one(who: str, given: Mapping[str, Any], *names: str) -> None:
    """Refuse keys that contradict each other, by name."""
    both = [name for name in names if given.get(name) is not None]
    if len(both) > 1:
        rule = (
            f"has both {both[0]}={shorten(given[both[0]])} and {both[1]}={shorten(given[both[1]])}"
        )
        raise ScheduleError(who, rule, "keep one of them")
