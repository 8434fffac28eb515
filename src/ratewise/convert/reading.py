"""Reading: which format a source is in, and the plan that it stands for."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from ratewise.convert.formats import Evidence, Format, RunFacts
from ratewise.convert.sources import load
from ratewise.schedule import Function, Plan, Schedule, ScheduleError, from_dict, parse
from ratewise.schedule.errors import Call, nearest, shorten
from ratewise.schedule.given import read_plan
from ratewise.schedule.lengths import Horizon

_LIVE_MODULES = "transformers timm fvcore ignite keras optax torch"
_CONFIG_MODULES = (
    "axolotl composer deepspeed diffusers factors fairseq gpt_neox megatron mmengine nanogpt nemo "
    "torchtitan torchtune trainer"
)
_LIVE = ("fvcore", "function", "ignite", "timm", "torch")
"""Formats of nothing but live objects."""
_GENERAL = ("torch",)
"""Formats that match whatever is built on them: another one that matches knows more."""
_LEAD = 2
"""By how much the best evidence has to lead."""
_HORIZON = ("epoch", "format", "samples", "tokens", "total")


def read(
    source: Any,
    *,
    format: str | None = None,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
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
        **more: What the format asks for besides, by name.

    Raises:
        ScheduleError: no format or several, a key that is not known, rates that depend on metrics
            or fall below 0, or something that has to be given.

    >>> read("Warmup(10) >> Cosine(to=0)").lr
    Warmup(10) >> Cosine(to=0)
    >>> read(lambda update: 1 / (1 + update)).lr.values(3)
    array([1.        , 0.5       , 0.33333333])
    """
    content = load(source)
    chosen = _choose(content, format)
    asked = _Asked(more)
    context = RunFacts(Horizon.of(total, epoch, samples, tokens), asked)
    plan = chosen.read(content, context)
    for name in more:
        if name not in asked.names:
            who = Call("read", name, more[name])
            rule = f"is not a word of the format {chosen.name}"
            raise ScheduleError(who, rule, nearest(name, [*_HORIZON, *asked.names]))
    return plan


def guess(source: Any) -> Format:
    """Return the format that a source is in.

    Raises:
        ScheduleError: none, or several; the message lists them.
    """
    return _choose(load(source), None)


@functools.cache
def formats() -> dict[str, Format]:
    """Return the known formats by name."""
    found = {each.name: each for each in (_OWN, _FUNCTION)}
    names = [f"live.{name}" for name in _LIVE_MODULES.split()]
    names += [f"configs.{name}" for name in _CONFIG_MODULES.split()]
    for name in names:
        module = importlib.import_module(f"ratewise.convert.{name}")
        found.update({each.name: each for each in module.FORMATS})
    return found


def _choose(content: Any, name: str | None) -> Format:
    known = formats()
    if name is not None:
        return _named(content, name)
    if _OWN.matches(content):
        return _OWN
    found = {each: each.evidence(content) for each in known.values()}
    found = {each: seen for each, seen in found.items() if seen.weight > 0}
    special = {each: seen for each, seen in found.items() if each.name not in _GENERAL} or found
    ranked = sorted(special, key=lambda each: special[each].weight, reverse=True)
    sure = [each for each in ranked if special[each]]
    if not sure and _can_be_called(content):
        return _FUNCTION
    if len(sure) == 1 or (sure and special[sure[0]].weight - special[sure[1]].weight >= _LEAD):
        return sure[0]
    who = Call("read", value=content)
    if not ranked:
        raise ScheduleError(who, *_nothing(content))
    near = [f"{each.name}{_because(special[each])}" for each in (sure or ranked)[:3]]
    if sure:
        rule = f"looks like {' and '.join(near)}"
        raise ScheduleError(who, rule, f"say which: format={ranked[0].name!r}")
    rule = f"has little that tells its format: it may be {' or '.join(near)}"
    raise ScheduleError(who, rule, f"if it is, give format={ranked[0].name!r}")


def _because(seen: Evidence) -> str:
    """Return the marks that were seen, for a message."""
    return f" ({', '.join(seen.seen[:4])})" if seen.seen else ""


def _named(content: Any, name: str) -> Format:
    known = formats()
    if name not in known:
        who = Call("read", "format", name)
        raise ScheduleError(who, "is not a format", nearest(str(name), known))
    chosen = known[name]
    fits = _can_be_called(content) if chosen is _FUNCTION else chosen.matches(content)
    if name in _LIVE and not fits:
        who = f"read({shorten(content)}, format={name!r})"
        raise ScheduleError(who, f"is not {chosen.what}", "leave format= out, or give another one")
    return chosen


def _nothing(content: Any) -> tuple[str, str]:
    names = ", ".join(sorted(formats()))
    if isinstance(content, type):
        return "is a class, not a scheduler", "make one and give that"
    if isinstance(content, str) and ("(" in content or ">>" in content):
        try:
            parse(content)
        except ScheduleError as error:
            return f"is in no known format ({error.who} {error.broken})", error.fix
    return "is in no known format", f"give one of these, by format= if need be: {names}"


class _Asked(Mapping[str, Any]):
    """A mapping that remembers which names were asked for."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)


# Our own forms ------------------------------------------------------------------------------


def _is_own(content: Any) -> bool:
    if isinstance(content, Schedule | Plan):
        return True
    if isinstance(content, Mapping):
        return "ratewise" in content or content.get("type") in (*Schedule.kinds, "Plan")
    if not isinstance(content, str):
        return type(content).__module__ == "ratewise.torch" and hasattr(content, "state_dict")
    try:
        parse(content)
    except ScheduleError:
        return False
    return True


def _read_own(content: Any, context: RunFacts) -> Plan:
    plain = isinstance(content, Schedule | Plan | Mapping | str)
    value = _followed(content) if not plain and _is_own(content) else content
    fix = 'write a schedule such as Warmup(500) >> Cosine(to=0.1), or {"type": "Cosine"}'
    return read_plan(f"read({shorten(content)})", value, fix)


def _followed(scheduler: Any) -> Schedule | Plan:
    """Return what a scheduler of `ratewise.torch` follows."""
    form = scheduler.state_dict()["schedule"]
    if form is None:
        rule = "is a function, which cannot be read back"
        raise ScheduleError(repr(scheduler), rule, "read the function itself")
    return from_dict(form)


def _can_be_called(content: Any) -> bool:
    return callable(content) and not isinstance(content, type)


_OWN = Format(
    "ratewise", "a ratewise schedule or plan, as a text, dict or JSON", _is_own, _read_own
)
_FUNCTION = Format(
    "function",
    "a callable from an update to a multiple of the peak",
    lambda source: False,  # whatever else can be called is asked first
    lambda source, context: Plan(lr=Function(source)),
)
