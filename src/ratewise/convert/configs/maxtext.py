"""The config of MaxText, a YAML file.

With S the steps of the schedule, W = int(S · warmup_steps_fraction) and f the final fraction, the
level of update t is t/W up to W, then falls to f, which update S - 1 runs at; behind it the rate
is 0. Before January 2026 there was the cosine alone, under another name of its floor, and it came
to f at update S, which is behind it.
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, names
from ratewise.convert.pieces.moves import Piece, decay, part, rise, stay
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import shorten

_WHO = "MaxText"
_DEFAULTS = {
    "learning_rate": 3e-5,
    "lr_schedule_type": "cosine",
    "learning_rate_final_fraction": 0.1,
    "warmup_steps_fraction": 0.1,
    "steps": 150_001,
}
_KEYS = (
    "learning_rate lr_schedule_type learning_rate_final_fraction learning_rate_schedule_steps "
    "warmup_steps_fraction wsd_decay_steps_fraction wsd_decay_style steps"
)
_NO_RATES = (
    "diloco_outer_lr",
    "distill_alpha_schedule",
    "distill_beta_schedule",
    "distill_temperature_schedule",
    "enable_model_warmup",
    "local_use_splash_scheduler",
    "use_batch_split_schedule",
    "use_splash_scheduler",
)
"""Keys that speak of other things."""
_FORMERLY = "cosine_learning_rate_final_fraction"
"""The floor of the versions whose cosine ends an update later; they know no other shape."""
_SINCE = "learning_rate_final_fraction lr_schedule_type wsd_decay_steps_fraction wsd_decay_style"
_ALSO = ("cosine_", "learning_rate_", "wsd_", "lr_")


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = {
        name: value
        for name, value in flags(_WHO, source).items()
        if value is not None and name not in _NO_RATES
    }
    is_older = _FORMERLY in given
    if is_older:
        newer = [name for name in names(_SINCE) if name in given]
        if newer:
            rule = f"has {_FORMERLY} of older versions beside {newer[0]}"
            raise ScheduleError(_WHO, rule, "keep the one that your version reads")
        given["learning_rate_final_fraction"] = given.pop(_FORMERLY)
    told = {} if ctx.total is None else {"steps": ctx.total}
    keys = Keys(_WHO, given).among(_KEYS, also=_ALSO).having(**told)
    notes: list[str] = []
    left_out = {name: value for name, value in _DEFAULTS.items() if name not in keys.given}
    base = str(keys.given.get("base_config", "base.yml"))
    if left_out and not base.endswith("base.yml"):
        rule = f"has base_config={shorten(base)}, which may have {', '.join(left_out)}"
        raise ScheduleError(_WHO, rule, "give these keys as well")
    if left_out:
        values = ", ".join(f"{name}={value}" for name, value in left_out.items())
        notes.append(f"Left out, so MaxText's own: {values}.")
    keys = keys.having(**left_out)
    run, steps = _lengths(keys)
    case = Case(keys, ctx.lasting(run), keys.rate(ctx, "learning_rate"), notes)
    warmup = int(steps * keys.number("warmup_steps_fraction", high=1.0))
    low = keys.number("learning_rate_final_fraction", high=1.0)
    case.idle(warmup)
    if run > steps:
        notes.append(f"From update {steps} on the rate is 0.")
    rest = stay(0.0, max(run - steps, 0))
    if keys.choice("lr_schedule_type", ("cosine", "wsd")) == "cosine":
        left = steps - warmup
        down = part(decay("cosine", low), max(left, 1))
        fall = (left, down) if is_older else _fall("cosine", low, left)
        return case.plan(rise(warmup), fall, rest)
    last = int(steps * keys.number("wsd_decay_steps_fraction", 0.1, high=1.0))
    if last + warmup > steps:
        rule = "has a warm-up and a decay that are longer than the schedule"
        raise ScheduleError(_WHO, rule, "make warmup_steps_fraction smaller")
    style = keys.choice("wsd_decay_style", ("linear", "cosine"), "linear")
    return case.plan(rise(warmup), stay(1.0, steps - warmup - last), _fall(style, low, last), rest)


def _lengths(keys: Keys) -> tuple[int, int]:
    """Return the updates of the run and of the schedule; -1 for one means as the other."""
    run, steps = (
        keys.whole(name, -1, low=-1) for name in ("steps", "learning_rate_schedule_steps")
    )
    if max(run, steps) < 1 or 0 in (run, steps):
        raise ScheduleError(_WHO, "has no steps", "give steps=…")
    return (steps if run == -1 else run), (run if steps == -1 else steps)


def _fall(style: str, low: float, n: int) -> Piece:
    """Return n updates from the peak to the floor, both ends included."""
    if n == 1:
        return stay(1.0 if style == "linear" else low, 1)
    return n, part(decay(style, low), max(n - 1, 1))


_MARKS = Marks(
    *marks("learning_rate_schedule_steps learning_rate_final_fraction warmup_steps_fraction"),
    *marks(_FORMERLY),
    *marks("wsd_decay_steps_fraction wsd_decay_style", 3),
    FormatMark("base_config", 3, lambda name: str(name).endswith("base.yml")),
    *marks("lr_schedule_type per_device_batch_size base_emb_dim", 1),
)
_FACTS = {"lr": "learning_rate", "total": "steps"}
_READS = " ".join([_KEYS, "base_config", _FORMERLY, *_NO_RATES])
FORMATS = (Format("maxtext", "MaxText YAML", _MARKS, _read, _FACTS, _READS),)
