"""The keys of OpenNMT-py: its rate is learning_rate times a function of the update, from 1 on.

With s = t + 1, W the warm-up and d the size of the model it is d^-0.5 · min(s^-0.5, s · W^-1.5) for
noam and 1/√max(s, W) for rsqrt; without a method, rate^⌊(s - begin + every)/every⌋ from
`start_decay_steps` on.
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.pieces.moves import rise, stay, whole
from ratewise.schedule import Plan, Power, ScheduleError, Step

_WHO = "OpenNMT-py"
_KEYS = (
    "learning_rate decay_method warmup_steps hidden_size rnn_size learning_rate_decay "
    "decay_steps start_decay_steps train_steps"
)
_NO_RATES = "average_decay"
_METHODS = ("noam", "noamwd", "rsqrt", "none")


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, flags(_WHO, source)).among(_KEYS, _NO_RATES)
    if ctx.total is None and keys.has("train_steps"):
        ctx = ctx.lasting(keys.whole("train_steps", low=1))
    method = keys.choice("decay_method", _METHODS, "none")
    rate = keys.rate(ctx, "learning_rate") or keys.number("learning_rate", 1.0, above=True)
    if method == "noamwd":
        raise ScheduleError(_WHO, "has noamwd, a root times steps", "read it as noam, or live")
    if method == "none":
        return _steps(Case(keys, ctx, rate))
    warmup = keys.whole("warmup_steps", 4000, low=1)
    if method == "rsqrt":
        case = Case(keys, ctx, rate * warmup**-0.5)
        root = Power(0.5, every=warmup + 1, start=(warmup / (warmup + 1)) ** 0.5)
        return case.plan(stay(1.0, warmup), (None, whole(root)))
    size = keys.whole("hidden_size" if keys.has("hidden_size") else "rnn_size", 500, low=1)
    case = Case(keys, ctx, rate * (size * warmup) ** -0.5)
    root = Power(0.5, every=warmup + 1, start=(warmup / (warmup + 1)) ** 0.5)
    return case.plan(rise(warmup, counted="(t+1)/W"), (None, whole(root)))


def _steps(case: Case) -> Plan:
    """Return steps by `learning_rate_decay`, the first of them at update start - 1."""
    factor = case.keys.number("learning_rate_decay", 0.5, above=True)
    begin = case.keys.whole("start_decay_steps", 50_000, low=1)
    every = case.keys.whole("decay_steps", 10_000, low=1)
    down = Step(factor, every=every, start=factor)
    return case.plan(stay(1.0, begin - 1), (None, whole(down)))


_MARKS = Marks(
    FormatMark("decay_method", 4, _METHODS),
    *marks("start_decay_steps", 3),
    *marks("train_steps learning_rate_decay rnn_size valid_steps src_vocab save_model", 1),
)
_READS = f"{_KEYS} {_NO_RATES}"
_FACTS = {"lr": "learning_rate", "total": "train_steps"}
FORMATS = (Format("opennmt", "OpenNMT-py YAML or flags", _MARKS, _read, _FACTS, _READS),)
