"""NeMo's policies with a hold behind the warm-up."""

from __future__ import annotations

from typing import Any

from ratewise.convert.configs._nemo_case import Case, behind, warm
from ratewise.convert.pieces.moves import Piece, floored, hold, part, whole
from ratewise.schedule import Linear, Plan, Polynomial, Power, ScheduleError, Sqrt


def _held(case: Case) -> tuple[int, int, list[Piece]]:
    """Return W, the update at which the hold ends (0 without one), and the pieces up to there."""
    warmup, rise = warm(case)
    stay = case.length("hold")
    given = case.keys.has("hold_steps") or case.keys.has("hold_ratio")
    end = warmup + stay if given else 0
    return warmup, end, [*rise, (end - behind(warmup), hold(1.0))]


def _held_decay(case: Case, move: Any, low: float, *, clip: bool, of: int | None = None) -> Plan:
    """Return warm-up, hold and a decay from the end of the hold to max_steps."""
    warmup, end, pieces = _held(case)
    begin = max(behind(warmup), end) - end
    if begin > 1:
        case.notes.append(
            f"Without a hold the decay is counted from update 0: a jump at update {begin}."
        )
    of = case.steps - end if of is None else of
    if of == 0 and end + begin <= case.steps < (case.ctx.total or 0):
        rule = f"has no updates to decay and divides by zero at update {case.steps}"
        raise ScheduleError(case.keys.who, rule, "make the hold shorter")
    fall = part(move, of, begin) if of > 0 else hold(low)
    return case.plan(*pieces, (None, floored(fall, low) if clip else fall), after=low)


def stay(case: Case) -> Plan:
    """Read `WarmupHoldPolicy`: the peak is held to the end."""
    _, _, pieces = _held(case)
    return case.plan(*pieces, (None, hold(1.0)), after=case.low())


def linear(case: Case) -> Plan:
    """Read `WarmupHoldAnnealLinear`."""
    low = case.low()
    return _held_decay(case, Linear(to=low, start=1.0), low, clip=False)


def root(case: Case) -> Plan:
    """Read `WarmupHoldAnnealOneMinusSquareRoot`: clipped at the floor, not stretched to it."""
    return _held_decay(case, Sqrt(to=0.0, start=1.0), case.low(), clip=True)


def polynomial(case: Case) -> Plan:
    """Read `PolynomialHoldDecayAnnealing`."""
    warmup, end, _ = _held(case)
    low, power = case.low(), case.keys.number("power", 1.0, above=True)
    if case.keys.flag("cycle") and end < warmup:
        rule = "has cycle=true and no hold, so that its cycles begin inside the warm-up"
        raise ScheduleError(case.keys.who, rule, "give hold_steps")
    of = case.steps - max(warmup, end)
    return _held_decay(case, Polynomial(low, power, start=1.0), low, clip=False, of=of)


def noam(case: Case) -> Plan:
    """Read `NoamHoldAnnealing`: a power of time counted without the hold."""
    warmup, end, pieces = _held(case)
    if not warmup:
        raise ScheduleError(case.keys.who, "has no warm-up", "give warmup_steps of 1 or more")
    power, low = case.keys.number("decay_rate", 0.5), case.low()
    begin = max(warmup + 1, end)
    past = begin - max(end - warmup, 0)  # W + 1 behind the warm-up, W behind a hold
    start = (warmup / past) ** power
    root = floored(whole(Power(power, every=past, start=start)), low)
    return case.plan(*pieces, (None, root), after=low)
