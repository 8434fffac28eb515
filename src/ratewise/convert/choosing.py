"""Choosing: the formats that are known, and which of them a source is in."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.rivals import because, rivals
from ratewise.convert.said import speaking_keys
from ratewise.convert.strangers import stranger
from ratewise.schedule import Function, Plan, Schedule, ScheduleError, from_dict, parse
from ratewise.schedule.errors import Call, Fix, nearest, shorten
from ratewise.schedule.given import read_plan

_MODULES = (
    "live.transformers",
    "live.timm",
    "live.fvcore",
    "live.ignite",
    "live.keras",
    "live.optax",
    "live.torch",
    "configs.axolotl",
    "configs.composer",
    "configs.deepspeed",
    "configs.detectron2",
    "configs.diffusers",
    "configs.espnet",
    "configs.factors",
    "configs.fairseq",
    "configs.gpt_neox",
    "configs.hydra",
    "configs.kohya",
    "configs.kohya_gui",
    "configs.lerobot",
    "configs.levanter",
    "configs.lightning_cli",
    "configs.lingua",
    "configs.litgpt",
    "configs.llama_factory",
    "configs.maxtext",
    "configs.megatron",
    "configs.mistral_finetune",
    "configs.mlx_lm",
    "configs.mmcv",
    "configs.mmengine",
    "configs.nanogpt",
    "configs.nanotron",
    "configs.nemo",
    "configs.olmo",
    "configs.open_clip",
    "configs.opennmt",
    "configs.openrlhf",
    "configs.timm_args",
    "configs.torchtitan",
    "configs.torchtune",
    "configs.trainer",
    "configs.ultralytics",
    "configs.verl",
)
_LIVE = ("fvcore", "function", "ignite", "timm", "torch")
"""Formats of nothing but live objects."""
_GENERAL = ("torch",)
"""Formats that match whatever is built on them: another one that matches knows more."""


@functools.cache
def formats() -> dict[str, Format]:
    """Return the known formats by name."""
    found = {each.name: each for each in (_OWN, _FUNCTION)}
    for name in _MODULES:
        module = importlib.import_module(f"ratewise.convert.{name}")
        found.update({each.name: each for each in module.FORMATS})
    return found


def choose(content: Any, name: str | None) -> Format:
    """Return the format of what was loaded: the one that is named, or that it looks like.

    Raises:
        ScheduleError: none, or several; the message lists them.
    """
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
    first = sure[0] if sure else None
    others = [each for each in sure[1:] if first and rivals(first, each, special)]
    if first and not others:
        return first
    who = Call("read", value=content)
    known_by = None if sure else stranger(content)
    if known_by is not None:
        rule = f"is of {known_by[0]} ({known_by[1]}), which is not read"
        fix = "write its schedule, such as Warmup(500) >> Cosine(to=0), or read the live scheduler"
        raise ScheduleError(who, rule, fix)
    if not ranked:
        raise ScheduleError(who, *_nothing(content))
    near = [first, *others] if first else ranked
    near = [f"{each.name}{because(special[each])}" for each in near[:3]]
    if sure:
        rule = f"looks like {' and '.join(near)}"
        raise ScheduleError(who, rule, Fix("say which: {format}", format=repr(ranked[0].name)))
    rule = f"has little that tells its format: it may be {' or '.join(near)}"
    raise ScheduleError(who, rule, Fix("if it is, give {format}", format=repr(ranked[0].name)))


def _named(content: Any, name: str) -> Format:
    known = formats()
    if name not in known:
        who = Call("read", "format", name)
        raise ScheduleError(who, "is not a format", nearest(name, known))
    chosen = known[name]
    fits = _can_be_called(content) if chosen is _FUNCTION else chosen.matches(content)
    if name in _LIVE and not fits:
        who = f"read({shorten(content)}, format={name!r})"
        raise ScheduleError(who, f"is not {chosen.what}", "leave format= out, or give another one")
    return chosen


_LONGEST = 300
"""Characters of a text that may be meant as a schedule of our own."""


def _nothing(content: Any) -> tuple[str, str | Fix]:
    if isinstance(content, type):
        return "is a class, not a scheduler", "make one and give that"
    if isinstance(content, Mapping) and "log_history" in content:
        return "is the log of a run", "read it as a log, or give the config of the run"
    line = content.strip() if isinstance(content, str) and len(content) <= _LONGEST else "--"
    if ("(" in line or ">>" in line) and "--" not in line and "\n" not in line:
        try:
            parse(line)
        except ScheduleError as error:
            return f"is in no known format ({error.who} {error.broken})", error.fix
    names = ", ".join(sorted({*formats()} - {*_LIVE, "keras", "optax", "ratewise"}))
    fix = f"known are {names}; if it is one, give {{format}}, or write the schedule itself"
    speaking = speaking_keys(content)
    rule = f"is in no known format{f', with {speaking}' if speaking else ''}"
    return rule, Fix(fix, format="…")


# Our own forms ------------------------------------------------------------------------------


def _is_own(content: Any) -> bool:
    if isinstance(content, Schedule | Plan):
        return True
    if isinstance(content, Mapping):
        kind = content.get("type")
        own = isinstance(kind, str) and kind in (*Schedule.kinds, "Plan")
        return own or "ratewise" in content
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
