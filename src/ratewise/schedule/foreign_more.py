"""More schedules by the name that they have elsewhere, and names that several libraries have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratewise.schedule.foreign_calls import Arguments, Foreign, Instead, Told, spell
from ratewise.schedule.foreign_names import EPOCHS, NAMES, staircase


def _warm(a: Arguments, steps: str = "warmup_steps", start: str = "", more: str = "") -> str:
    """Return `Warmup(…) >> `, or nothing where they have no warm-up."""
    length = a[steps]
    begin = f", start={start}" if start else ""
    return f"Warmup({spell(length)}{begin}{more}) >> " if length not in (0, None) else ""


def _levels(values: Any) -> list[float] | None:
    """Return rates as shares of the first, if they are numbers."""
    known = _numbers(values) and values[0]
    return [float(f"{v / values[0]:.12g}") for v in values] if known else None


def _numbers(values: Any) -> bool:
    several: Any = values if isinstance(values, list | tuple) else ()
    return len(several) > 0 and all(type(value) in (int, float) for value in several)


def _stairs(shift: int = 0) -> Told:
    """Return what is told of rates between boundaries; behind each by `shift` updates."""

    def told(a: Arguments) -> Instead:
        places, levels = a["boundaries"], _levels(a["values"])
        if levels is None or not _numbers(places):
            return a.advice("Piecewise({0: 1, 100: 0.1})", same=False, note="levels are shares")
        points: list[Any] = list(places)  # pyright: ignore
        pairs = zip([0, *(point + shift for point in points)], levels, strict=False)
        write = f"Piecewise({{{', '.join(f'{x}: {spell(y)}' for x, y in pairs)}}})"
        return a.advice(write, note="the first value is the peak, lr")

    return told


def _scales(a: Arguments) -> Instead:
    """Optax: factors, each from its place on, on what was there before."""
    scales: Any = a["boundaries_and_scales"]
    if not isinstance(scales, dict) or not _numbers([*scales, *scales.values()]):
        return a.advice("Piecewise({0: 1, 100: 0.1})", same=False, note="levels are shares")
    pairs: list[Any] = sorted(scales.items())  # pyright: ignore
    points, level = {0: 1.0}, 1.0
    for place, scale in pairs:
        level = float(f"{level * scale:.12g}")
        points[place] = level
    text = ", ".join(f"{x}: {spell(y)}" for x, y in points.items())
    return a.advice(f"Piecewise({{{text}}})", note="init_value is the peak, lr")


def _polynomial(a: Arguments) -> Instead:
    to, begin = a.share("end_value", peak="init_value"), a["transition_begin"]
    front = f"Hold(over={spell(begin)}) >> " if begin else ""
    power, over = a.spelt("power"), a.spelt("transition_steps")
    return a.advice(f"{front}Polynomial(to={to}, power={power}, over={over})")


def _warm_exponential(a: Arguments) -> Instead:
    start = a.share("init_value", "start", peak="peak_value")
    rate, every = a.spelt("decay_rate"), a.spelt("transition_steps")
    hold = f"Hold(over={a.spelt('transition_begin')}) >> " if a["transition_begin"] else ""
    front = _warm(a, start=start)
    write = f"{front}{hold}ExponentialDecay({rate}, every={every}{staircase(a)})"
    return a.advice(write, note="peak_value is the peak, lr")


def _warm_constant(a: Arguments) -> Instead:
    start = a.share("init_value", "start", peak="peak_value")
    return a.advice(f"{_warm(a, start=start)}Hold()", note="peak_value is the peak, lr")


def _cycle(shape: str) -> Told:
    def told(a: Arguments) -> Instead:
        first = "" if a["pct_start"] == 0.3 else a.spelt("pct_start")
        more = a.options(div=("div_factor", 25.0), final_div=("final_div_factor", 1e4))
        more += f', shape="{shape}"' if shape != "cosine" else ""
        write = f"OneCycle({(first + more + ', momentum=None').removeprefix(', ')})"
        note = "peak_value is the peak, transition_steps the total"
        return a.advice(write, same=False, note=note)

    return told


def _sgdr(a: Arguments) -> Instead:
    return a.advice("Restarts(1000)", same=False, note="its cycles are written one after the other")


def decayed(write: Callable[[Arguments], str], note: str = EPOCHS, *, same: bool = True) -> Told:
    """Return what is told of a schedule that is written in one way."""
    return lambda a: a.advice(write(a), same=same, note=note)


def annealed(peak: str, low: str, over: str) -> Callable[[Arguments], str]:
    """Return what writes a cosine, from the names of its rates and its length."""
    return lambda a: f"Cosine(to={a.share(low, peak=peak)}, over={a.spelt(over)})"


def _reduced(a: Arguments) -> str:
    more = f"factor={a.spelt('factor')}, patience={a.spelt('patience')}"
    more += a.options(cooldown=("cooldown", 0), mode=("mode", "min"))
    floor = a.share("min_lr", "floor", peak="learning_rate")
    more += "" if floor == "0" else f", floor={floor}"
    return f'Plateau("val_loss", {more}, counting="torch")'


# Paddle -------------------------------------------------------------------------------------

_RATE = "learning_rate"
_PADDLE = {
    "NoamDecay": (
        f"d_model warmup_steps {_RATE}=1.0",
        lambda a: f"Noam({a.spelt('warmup_steps')}, {a.spelt('d_model')}"
        + ("" if a[_RATE] == 1 else f", {a.spelt(_RATE)}")
        + ")",
    ),
    "NaturalExpDecay": (f"{_RATE} gamma", lambda a: f"NaturalDecay({a.spelt('gamma')})"),
    "StepDecay": (
        f"{_RATE} step_size gamma=0.1",
        lambda a: f"Step({a.spelt('gamma')}, every={a.spelt('step_size')})",
    ),
    "MultiStepDecay": (
        f"{_RATE} milestones gamma=0.1",
        lambda a: f"Step({a.spelt('gamma')}, at={a.spelt('milestones')})",
    ),
    "CosineAnnealingDecay": (
        f"{_RATE} T_max eta_min=0",
        annealed(_RATE, "eta_min", "T_max"),
    ),
    "LinearWarmup": (
        f"{_RATE} warmup_steps start_lr end_lr",
        lambda a: _warm(a, start=a.share("start_lr", "start", peak="end_lr")) + "Hold()",
    ),
    "ReduceOnPlateau": (
        f"{_RATE} mode='min' factor=0.1 patience=10 threshold=1e-4 threshold_mode='rel' "
        "cooldown=0 min_lr=0 epsilon=1e-8",
        _reduced,
    ),
}  # fmt: skip


# MXNet and DeepSpeed ------------------------------------------------------------------------

_MX = "warmup_steps=0 warmup_begin_lr=0 warmup_mode='linear'"


def _mx_warm(a: Arguments) -> str:
    return _warm(a, start=a.share("warmup_begin_lr", "start", peak="base_lr"))


_MXNET = {
    "FactorScheduler": (
        f"step factor=1 stop_factor_lr=1e-8 base_lr=0.01 {_MX}",
        lambda a: f"{_mx_warm(a)}Step({a.spelt('factor')}, every={a.spelt('step')})",
    ),
    "MultiFactorScheduler": (
        f"step factor=1 base_lr=0.01 {_MX}",
        lambda a: f"{_mx_warm(a)}Step({a.spelt('factor')}, at={a.spelt('step')})",
    ),
    "PolyScheduler": (
        f"max_update base_lr=0.01 pwr=2 final_lr=0 {_MX}",
        lambda a: f"{_mx_warm(a)}Polynomial(to={a.share('final_lr', peak='base_lr')}, "
        f"power={a.spelt('pwr')})",
    ),
    "CosineScheduler": (
        f"max_update base_lr=0.01 final_lr=0 {_MX}",
        lambda a: f"{_mx_warm(a)}Cosine(to={a.share('final_lr', peak='base_lr')})",
    ),
}  # fmt: skip

_FROM_ONE = "base_lr is the peak, lr; there the first update is 1"

_DS_WARM = "warmup_min_lr=0 warmup_max_lr=0.001 warmup_num_steps=1000 warmup_type='log'"


def _ds(tail: Callable[[Arguments], str]) -> Told:
    def told(a: Arguments) -> Instead:
        shape = ', shape="log"' if a["warmup_type"] == "log" else ""
        note = "warmup_max_lr is the peak, lr, and the total is told where it is run"
        return a.advice(_warm(a, "warmup_num_steps", more=shape) + tail(a), same=False, note=note)

    return told


def _ds_cycle(a: Arguments) -> Instead:
    low = a.share("cycle_min_lr", peak="cycle_max_lr")
    up = a.spelt("cycle_first_step_size")
    down = up if a["cycle_second_step_size"] is None else a.spelt("cycle_second_step_size")
    write = f"Linear(to=1, over={up}, start={low}) >> Linear(to={low}, over={down}) >> Hold()"
    return a.advice(write, same=False, note="cycle_max_lr is the peak, lr; its decay comes behind")


def _held(write: str, note: str = "") -> Told:
    return lambda a: a.advice(write, same=False, note=note)


# timm, fastai and settings ------------------------------------------------------------------


def _timm(tail: Callable[[Arguments], str]) -> Told:
    def told(a: Arguments) -> Instead:
        length, begin = a["warmup_t"], a.share("warmup_lr_init", "start")
        front = f'Warmup("{length} epochs", start={begin}) >> ' if length not in (0, None) else ""
        note = "timm counts epochs unless t_in_epochs=False, and those of the warm-up too"
        return a.advice(front + tail(a), same=False, note=note)

    return told


def _each(a: Arguments, name: str) -> str:
    return f'"{a[name]} epochs"' if a.known(name) else a.spelt(name)


_TIMM_WARM = "warmup_t=0 warmup_lr_init=0 warmup_prefix=False t_in_epochs=True"
_TIMM = {
    "CosineLRScheduler": (
        f"t_initial lr_min=0 {_TIMM_WARM}",
        lambda a: f"Cosine(to={a.share('lr_min')}, over={_each(a, 't_initial')})",
    ),
    "PolyLRScheduler": (
        f"t_initial power=0.5 lr_min=0 {_TIMM_WARM}",
        lambda a: f"Polynomial(to={a.share('lr_min')}, power={a.spelt('power')}, "
        f"over={_each(a, 't_initial')})",
    ),
    "StepLRScheduler": (
        f"decay_t decay_rate=1.0 {_TIMM_WARM}",
        lambda a: f"Step({a.spelt('decay_rate')}, every={_each(a, 'decay_t')})",
    ),
    "TanhLRScheduler": (
        f"t_initial lb=-7.0 ub=3.0 lr_min=0 {_TIMM_WARM}",
        lambda a: f"Tanh({a.share('lr_min')}, {a.spelt('lb')}, {a.spelt('ub')}, "
        f"over={_each(a, 't_initial')})",
    ),
}  # fmt: skip

_FLAT = "pct_start=0.75"


def _flat(a: Arguments) -> str:
    share = f'"{a["pct_start"] * 100:g}%"' if a.known("pct_start") else "…"
    return "FlatCosine()" if a["pct_start"] == 0.75 else f"FlatCosine({share})"


_HF = "num_warmup_steps num_training_steps"


def _by_name(a: Arguments) -> Instead:
    """`get_scheduler`: what is told of the type that it is given."""
    kind = NAMES.get(str(a["name"]), NAMES["linear"])
    return kind.advice({"warmup_steps": a["num_warmup_steps"]} if a["num_warmup_steps"] else {})


def _warm_annealing(a: Arguments) -> Instead:
    start, to = a.share("warmup_start_lr", "start"), a.share("eta_min")
    write = f"Warmup({_each(a, 'warmup_epochs')}, start={start}) >> Cosine(to={to})"
    return a.advice(write, same=False, note="max_epochs is the run's own length")


_WARMED = Foreign("other trainers", NAMES["cosine"].signature, NAMES["cosine"].told)

MORE: dict[str, Foreign] = {
    **{name: Foreign("Paddle", names, decayed(told)) for name, (names, told) in _PADDLE.items()},
    "PiecewiseDecay": Foreign("Paddle", "boundaries values", _stairs()),
    "PiecewiseConstantDecay": Foreign("Keras", "boundaries values", _stairs(1)),
    "LambdaDecay": Foreign("Paddle", "learning_rate lr_lambda", NAMES["LambdaLR"].told),
    **{name: Foreign("MXNet", names, decayed(told, _FROM_ONE, same=False))
       for name, (names, told) in _MXNET.items()},
    "WarmupLR": Foreign("DeepSpeed", _DS_WARM, _ds(lambda _: "Hold()")),
    "WarmupDecayLR": Foreign("DeepSpeed", f"total_num_steps {_DS_WARM}",
                             _ds(lambda _: "Linear(to=0)")),
    "WarmupCosineLR": Foreign(
        "DeepSpeed",
        "total_num_steps warmup_min_ratio=0.0 warmup_num_steps=1000 cos_min_ratio=0.0001 "
        "warmup_type='log'",
        _ds(lambda a: f"Cosine(to={a.spelt('cos_min_ratio')})"),
    ),
    "LRRangeTest": Foreign("DeepSpeed", "", _held("Hold()", "ratewise find runs a range test")),
    "OneCycle": Foreign(
        "DeepSpeed",
        "cycle_min_lr cycle_max_lr decay_lr_rate=0.0 cycle_first_step_size=2000 "
        "cycle_second_step_size=None",
        _ds_cycle,
    ),
    **{name: Foreign("timm", names, _timm(told)) for name, (names, told) in _TIMM.items()},
    "fit_one_cycle": Foreign(
        "fastai", "n_epoch lr_max div=25.0 div_final=1e5 pct_start=0.25",
        lambda a: a.advice(
            f"OneCycle({a.spelt('pct_start')}{a.options(div=('div', 25.0))})", same=False
        ),
    ),
    "fit_flat_cos": Foreign("fastai", f"n_epoch lr div_final=1e5 {_FLAT}",
                            lambda a: a.advice(_flat(a), same=False)),
    "get_cosine_with_min_lr_schedule_with_warmup": Foreign(
        "Transformers", f"{_HF} num_cycles=0.5 min_lr=None min_lr_rate=None",
        NAMES["cosine_with_min_lr"].told, "warmup to",
    ),
    "get_scheduler": Foreign(
        "Transformers", "name optimizer=None num_warmup_steps=0 num_training_steps=None", _by_name
    ),
    "LinearWarmupCosineAnnealingLR": Foreign(
        "PyTorch add-ons", "warmup_epochs max_epochs warmup_start_lr=0.0 eta_min=0.0",
        _warm_annealing,
    ),
    "get_reduce_on_plateau_schedule": NAMES["reduce_lr_on_plateau"],
    "cosine_annealing": _WARMED,
    "cosine_decay": _WARMED,
    "cosine_with_warmup": _WARMED._replace(asks="warmup"),
    "linear_with_warmup": Foreign("other trainers", _WARMED.signature, NAMES["linear"].told,
                                  "warmup"),
    "onecycle": NAMES["one_cycle"],
    "plateau": NAMES["reduce_lr_on_plateau"],
    "noam": Foreign("other trainers", "warmup_steps=4000",
                    lambda a: a.advice(f"InverseSqrt({a.spelt('warmup_steps')})", same=False),
                    "warmup"),
    "rsqrt": NAMES["inverse_sqrt"],
    "polynomial_schedule": Foreign(
        "Optax", "init_value end_value power transition_steps transition_begin=0", _polynomial
    ),
    "piecewise_constant_schedule": Foreign("Optax", "init_value boundaries_and_scales", _scales),
    "warmup_constant_schedule": Foreign(
        "Optax", "init_value peak_value warmup_steps", _warm_constant
    ),
    "warmup_exponential_decay_schedule": Foreign(
        "Optax",
        "init_value peak_value warmup_steps transition_steps decay_rate transition_begin=0 "
        "staircase=False",
        _warm_exponential,
    ),
    "cosine_onecycle_schedule": Foreign(
        "Optax", "transition_steps peak_value pct_start=0.3 div_factor=25.0 final_div_factor=1e4",
        _cycle("cosine"),
    ),
    "sgdr_schedule": Foreign("Optax", "cosine_kwargs", _sgdr),
    "join_schedules": Foreign("Optax", "", NAMES["SequentialLR"].told),
    "inverse_time_decay": Foreign(
        "JAX", "step_size decay_steps decay_rate staircase=False", NAMES["InverseTimeDecay"].told
    ),
    "polynomial_decay": Foreign(
        "JAX", "step_size decay_steps final_step_size power=1.0",
        decayed(lambda a: f"Polynomial(to={a.share('final_step_size', peak='step_size')}, "
                 f"power={a.spelt('power')}, over={a.spelt('decay_steps')})", ""),
    ),
    "piecewise_constant": Foreign("JAX", "boundaries values", _stairs()),
}  # fmt: skip
"""Schedules by a name that one other library has."""

ALSO: dict[str, tuple[Foreign, ...]] = {
    "ExponentialDecay": (
        Foreign("Paddle", "learning_rate gamma",
                decayed(lambda a: f"ExponentialDecay({a.spelt('gamma')})")),
    ),
    "InverseTimeDecay": (
        Foreign("Paddle", "learning_rate gamma",
                decayed(lambda a: f"InverseTime({a.spelt('gamma')})")),
    ),
    "PolynomialDecay": (
        Foreign("Paddle", "learning_rate decay_steps end_lr=1e-4 power=1.0 cycle=False",
                decayed(lambda a: f"Polynomial(to={a.share('end_lr', peak='learning_rate')}, "
                         f"power={a.spelt('power')}, over={a.spelt('decay_steps')})")),
    ),
    "OneCycleLR": (
        Foreign("Paddle", "max_learning_rate total_steps divide_factor=25.0 "
                "end_learning_rate=1e-4 phase_pct=0.3",
                lambda a: a.advice(f"OneCycle({a.spelt('phase_pct')})", same=False)),
    ),
    "exponential_decay": (
        Foreign("JAX", "step_size decay_steps decay_rate", NAMES["ExponentialDecay"].told),
        Foreign("TensorFlow 1",
                "learning_rate global_step decay_steps decay_rate staircase=False",
                NAMES["ExponentialDecay"].told),
        Foreign("MLX", "init decay_rate",
                decayed(lambda a: f"ExponentialDecay({a.spelt('decay_rate')})", "")),
    ),
    "cosine_decay": (
        Foreign("MLX", "init decay_steps end=0.0",
                decayed(lambda a: f"Cosine(to={a.share('end', peak='init')}, "
                         f"over={a.spelt('decay_steps')})", "")),
    ),
    "linear_schedule": (
        Foreign("MLX", "init end steps",
                decayed(lambda a: f"Linear(to={a.share('end', peak='init')}, "
                         f"over={a.spelt('steps')})", "")),
    ),
}  # fmt: skip
"""Names that another library has too, with other arguments."""


def fits(foreign: Foreign, given: Any, placed: int) -> bool:
    """Tell whether a call with these keywords, and so many arguments without, is one of it."""
    needed = [w for w in foreign.signature.split() if "=" not in w]
    there = {*foreign.names[:placed], *given}
    return {*given} <= {*foreign.names} and placed <= len(foreign.names) and {*needed} <= there
