"""The `optim.sched` of a NeMo config.

NeMo's policies warm up at (t + 1)/(W + 1) up to and with update W, and are at `min_lr` behind
update max_steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, dig
from ratewise.convert.pieces.case import IDLE, Case
from ratewise.convert.pieces.keys import Keys, as_number, rate_at, section
from ratewise.convert.pieces.moves import Piece, decay, floored, hold, lay, part, rise, stay, whole
from ratewise.schedule import ExponentialDecay, Plan, Power, ScheduleError, Step


class _NeMoCase(Case):
    @property
    def steps(self) -> int:
        """The updates of the run as NeMo knows them."""
        return self.keys.whole("max_steps", low=1) if self.keys.has("max_steps") else self.run

    def length(self, name: str) -> int:
        """Return `<name>_steps`, or int(`<name>_ratio` · max_steps), or 0."""
        return self.keys.share(f"{name}_steps", f"{name}_ratio", lambda: self.steps)

    def low(self, default: float = 0.0) -> float:
        """Return min_lr as a level."""
        return self.keys.level("min_lr", self.peak, default)

    def until(self, low: float, *pieces: Piece) -> Plan:
        """Return the plan of these pieces, the last of them open; behind max_steps it is low."""
        stop = self.steps + 1  # max_steps itself still goes by the formula
        if self.total is not None and self.total > stop:
            self.notes.append(f"From update {stop} on the rate is min_lr.")
        *first, (_, last) = pieces
        left = max(stop - sum(max(n or 0, 0) for n, _ in first), 0)
        return self.of(lay(self.total or self.steps, *first, (left, last), stay(low)))

    def warm(self) -> tuple[int, list[Piece]]:
        """Return W and the warm-up with update W, the first at the peak; nothing if W is 0."""
        warmup = self.length("warmup")
        return warmup, [rise(warmup, counted="(t+1)/(W+1)"), stay(1.0, 1)] if warmup else []

    def held(self) -> tuple[int, int, list[Piece]]:
        """Return W, the update at which the hold ends (0 without one), and the pieces to there."""
        warmup, first = self.warm()
        given = self.keys.has("hold_steps") or self.keys.has("hold_ratio")
        end = warmup + self.length("hold") if given else 0
        return warmup, end, [*first, stay(1.0, end - _behind(warmup))]


def _behind(warmup: int) -> int:
    """Return the first update behind the warm-up and the update at its end."""
    return warmup + 1 if warmup else 0


# Warm-up and decay --------------------------------------------------------------------------


def _warmup(case: _NeMoCase) -> Plan:
    _, first = case.warm()
    if not case.keys.has("max_steps"):
        return case.plan(*first, stay(1.0))
    return case.until(case.low(), *first, stay(1.0))


def _decay(name: str, **shape: float) -> Callable[[_NeMoCase], Plan]:
    """Return what reads a warm-up and a decay to min_lr, from update W to max_steps."""

    def read(case: _NeMoCase) -> Plan:
        low = case.low()
        return _fallen(case, decay(name, low, **shape), low)

    return read


def _fallen(case: _NeMoCase, move: Any, low: float, *, clip: bool = False) -> Plan:
    warmup, first = case.warm()
    rest = case.steps - warmup
    if rest <= 0:
        return case.until(low, *first, stay(low))
    down = part(move, rest)  # update W is at the peak by either formula
    return case.until(low, *first[:1], (None, floored(down, low) if clip else down))


def _square(case: _NeMoCase) -> Plan:
    return _fallen(case, decay("polynomial", 0.0, power=2.0), case.low(1e-5), clip=True)


def _square_root(case: _NeMoCase) -> Plan:
    warmup, first = case.warm()
    low = case.low()
    if warmup:
        note = f"The decay is counted from update 0, so the rate jumps down at update {warmup + 1}."
        case.notes.append(note)
    down = part(decay("polynomial", 0.0, power=0.5), case.steps, _behind(warmup))
    return case.until(low, *first, (None, floored(down, low)))


def _polynomial(case: _NeMoCase) -> Plan:
    low = case.low()
    return _fallen(case, decay("polynomial", low, power=_power(case)), low)


def _power(case: _NeMoCase) -> float:
    return case.keys.number("power", 1.0, above=True)


def _cosine(case: _NeMoCase) -> Plan:
    low, constant = case.low(), case.length("constant")
    if not constant:
        return _fallen(case, decay("cosine", low), low)
    warmup = case.length("warmup")
    rest = case.steps - constant - warmup
    if not rest and not warmup:
        rule = f"has {case.steps} steps, all of them constant, and divides by zero"
        raise ScheduleError(case.who, rule, "leave some for the decay")
    if warmup:
        case.notes.append(f"{IDLE} Without constant steps it would be at 1/{warmup + 1}.")
    if rest < 1:
        case.notes.append(
            f"Of {case.steps} steps {warmup} warm up and {constant} are constant: none is left to "
            f"decay, and the rate drops to min_lr behind update {warmup}."
        )
        return case.plan(rise(warmup), stay(1.0, min(warmup, 1)), stay(low))
    return case.plan(rise(warmup), (rest, part(decay("cosine", low), rest)), stay(low))


def _inverse_root(case: _NeMoCase) -> Plan:
    warmup, first = case.warm()
    begin = _behind(warmup)
    root = Power(0.5, every=begin + 1, start=((warmup + 1) / (begin + 1)) ** 0.5)
    return case.until(case.low(), *first, (None, whole(root)))


def _t5(case: _NeMoCase) -> Plan:
    keys = case.keys
    if keys.has("constant_ratio"):
        raise ScheduleError(case.who, "fails with constant_ratio", "give constant_steps")
    constant = keys.whole("constant_steps", low=1)
    case = case.at(constant**-0.5)
    case.notes.append("The rate is 1/√t of itself; the optimizer's lr plays no part.")
    first = constant if constant <= case.steps else constant + 1  # goes before the floor
    root = (None, whole(Power(0.5, every=constant, start=1.0)))
    return case.until(keys.level("min_lr", case.peak, high=True), stay(1.0, first), root)


def _noam(case: _NeMoCase) -> Plan:
    keys, warmup = case.keys, case.length("warmup")
    scale, size = float(keys.whole("d_model", low=1)) ** -0.5, max(warmup, 1)
    if case.peak is None:
        rule = "multiplies lr by d_model^-0.5 and its own shape"
        raise ScheduleError(case.who, rule, ask("lr", ", or add it to the config"))
    case = case.at(case.peak * scale * size**-0.5)
    low = keys.level("min_lr", case.peak, high=True)
    case.notes.append("Updates 0 and 1 run at the same rate; max_steps plays no part.")
    first = stay(1 / size if warmup else max(1.0, low), 1)
    top = int(bool(warmup) and low > 1)  # the floor begins behind the peak
    root = Power(0.5, every=size + top, start=(size / (size + top)) ** 0.5)
    climb = rise(warmup, begin=1)
    return case.plan(first, climb, stay(1.0, top), (None, floored(whole(root), low)))


# With a hold behind the warm-up -------------------------------------------------------------


def _held_decay(
    case: _NeMoCase, move: Any, low: float, *, clip: bool = False, of: int | None = None
) -> Plan:
    """Return warm-up, hold and a decay from the end of the hold to max_steps."""
    warmup, end, pieces = case.held()
    begin = max(_behind(warmup), end) - end
    if begin > 1:
        note = f"Without a hold the decay is counted from update 0: a jump at update {begin}."
        case.notes.append(note)
    of = case.steps - end if of is None else of
    if of == 0 and end + begin <= case.steps < (case.total or 0):
        rule = f"has no updates to decay and divides by zero at update {case.steps}"
        raise ScheduleError(case.who, rule, "make the hold shorter")
    down = part(move, of, begin) if of > 0 else hold(low)
    return case.until(low, *pieces, (None, floored(down, low) if clip else down))


def _held(case: _NeMoCase) -> Plan:
    _, _, pieces = case.held()
    return case.until(case.low(), *pieces, stay(1.0))


def _held_linear(case: _NeMoCase) -> Plan:
    low = case.low()
    return _held_decay(case, decay("linear", low), low)


def _held_root(case: _NeMoCase) -> Plan:
    """Read a decay that is clipped at the floor, not stretched to it."""
    return _held_decay(case, decay("1-sqrt", 0.0), case.low(), clip=True)


def _held_polynomial(case: _NeMoCase) -> Plan:
    warmup, end, _ = case.held()
    low, power = case.low(), _power(case)
    if case.keys.flag("cycle") and end < warmup:
        rule = "has cycle=true and no hold, so that its cycles begin inside the warm-up"
        raise ScheduleError(case.who, rule, "give hold_steps")
    of = case.steps - max(warmup, end)
    return _held_decay(case, decay("polynomial", low, power=power), low, of=of)


def _held_noam(case: _NeMoCase) -> Plan:
    """Read a power of time that is counted without the hold."""
    warmup, end, pieces = case.held()
    if not warmup:
        raise ScheduleError(case.who, "has no warm-up", "give warmup_steps of 1 or more")
    power, low = case.keys.number("decay_rate", 0.5), case.low()
    past = max(warmup + 1, end) - max(end - warmup, 0)  # W + 1 behind the warm-up, W behind a hold
    root = whole(Power(power, every=past, start=(warmup / past) ** power))
    return case.until(low, *pieces, (None, floored(root, low)))


# Policies of PyTorch ------------------------------------------------------------------------


def _torch_step(case: _NeMoCase) -> Plan:
    size, factor = case.keys.whole("step_size", low=1), case.keys.number("gamma", 0.1)
    return case.plan((None, whole(Step(factor, every=size, start=1.0))))


def _torch_exponential(case: _NeMoCase) -> Plan:
    epoch, rate = case.ctx.need_epoch(case.who), case.keys.number("gamma", above=True)
    return case.plan((None, whole(ExponentialDecay(rate, every=epoch, staircase=True))))


# The format ---------------------------------------------------------------------------------

_WARM = "warmup_steps warmup_ratio"
_HOLD = f"{_WARM} hold_steps hold_ratio"
_STAY = "constant_steps constant_ratio"
_TORCH: dict[str, tuple[Callable[[_NeMoCase], Plan], str]] = {
    "StepLR": (_torch_step, "step_size gamma"),
    "ExponentialLR": (_torch_exponential, "gamma"),
}
_OWN: dict[str, tuple[Callable[[_NeMoCase], Plan], str]] = {
    "WarmupPolicy": (_warmup, _WARM),
    "WarmupHoldPolicy": (_held, _HOLD),
    "WarmupAnnealing": (_decay("linear"), _WARM),
    "WarmupHoldAnnealLinear": (_held_linear, _HOLD),
    "WarmupHoldAnnealOneMinusSquareRoot": (_held_root, _HOLD),
    "SquareAnnealing": (_square, _WARM),
    "SquareRootAnnealing": (_square_root, _WARM),
    "CosineAnnealing": (_cosine, f"{_WARM} {_STAY}"),
    "NoamAnnealing": (_noam, f"{_WARM} d_model"),
    "NoamHoldAnnealing": (_held_noam, f"{_HOLD} decay_rate"),
    "InverseSquareRootAnnealing": (_inverse_root, _WARM),
    "T5InverseSquareRootAnnealing": (_t5, _STAY),
    "PolynomialDecayAnnealing": (_polynomial, f"{_WARM} power cycle"),
    "PolynomialHoldDecayAnnealing": (_held_polynomial, f"{_HOLD} power cycle"),
}
_KINDS = {**_OWN, **_TORCH}
_COMMON = (
    "name args max_steps min_lr last_epoch monitor reduce_on_plateau iters_per_batch t_max_epochs "
    "t_accumulate_grad_batches t_limit_train_batches t_num_workers"
)


def _read(source: Any, ctx: RunFacts) -> Plan:
    optims = [dig(source, "model.optim"), dig(source, "optim"), source]
    optim = next((o for o in optims if isinstance(dig(o, "sched"), Mapping)), {"sched": source})
    found = section("nemo sched", dig(optim, "sched"))
    name = Keys("nemo sched", found).choice("name", _KINDS, what="policy")
    rate = None if name.startswith("T5") else rate_at("nemo optim", optim, "lr", ctx)
    steps = as_number(dig(source, "trainer.max_steps"))
    notes: list[str] = []
    if steps is not None and steps != -1:
        if ctx.total is None:
            ctx = ctx.lasting(Keys("nemo trainer", {"max_steps": steps}).whole("max_steps", low=1))
        if found.get("max_steps") not in (None, ctx.total):
            note = f"max_steps is that of the trainer, {ctx.total}, and not {found['max_steps']}."
            notes.append(note)
        if "max_steps" in found:
            found = {**found, "max_steps": ctx.total}
    return policy_plan(name, found, ctx, rate, notes)


POLICIES = tuple(_OWN)
"""NeMo's own policies, by name."""
_CLIMBING = ("WarmupPolicy", "WarmupHoldPolicy", "NoamAnnealing", "WarmupAnnealing")
LIGHTNINGS: dict[str, dict[str, Any]] = {
    **{name: {"warmup_steps": 750} for name in _CLIMBING},
    "CosineAnnealing": {"warmup_steps": 750, "constant_steps": 80_000, "min_lr": 6e-5},
}
"""What its modules for Lightning, `CosineAnnealingScheduler`, take where nothing is said."""


def policy_plan(
    name: str,
    found: Mapping[str, Any],
    ctx: RunFacts,
    rate: float | None,
    notes: list[str] | None = None,
) -> Plan:
    """Return the plan of a policy with these arguments, on an optimizer with this rate."""
    build, known = _KINDS[name]
    who = f"nemo {name}"
    given = {**found, **section(who, found.get("args"))}
    keys = Keys(who, {key: value for key, value in given.items() if key != "args"})
    keys.only(_COMMON, known)
    if given.get("max_steps") == -1:
        raise ScheduleError(who, "has max_steps=-1, with which there is no schedule", "give it")
    return build(_NeMoCase(keys, ctx, rate, notes or []))


_MARKS = Marks(
    *(FormatMark(f"{path}sched.name", value=_KINDS) for path in ("model.optim.", "optim.", "")),
    FormatMark("name", value=_OWN),
)
_FACTS = {
    "lr": "model.optim.lr optim.lr",
    "total": "trainer.max_steps",
    "epochs": "trainer.max_epochs",
}
FORMATS = (Format("nemo", "NeMo optim.sched", _MARKS, _read, _FACTS, "model.optim optim sched"),)
