"""Schedules by the name that they have in other libraries: one table, `NAMES`."""

from __future__ import annotations

from collections.abc import Callable

from ratewise.schedule.foreign_calls import Arguments, Foreign, Instead, Told, spell

# PyTorch ------------------------------------------------------------------------------------

EPOCHS = 'where step() is called once an epoch, a length is "100 epochs"'


def _annealing(a: Arguments) -> Instead:
    return a.advice(f"Cosine(to={a.share('eta_min')}, over={a.spelt('T_max')})", note=EPOCHS)


def _linear_lr(a: Arguments) -> Instead:
    ends = f"to={a.spelt('end_factor')}, over={a.spelt('total_iters')}"
    return a.advice(f"Linear({ends}, start={a.spelt('start_factor')}) >> Hold()", note=EPOCHS)


def _constant_lr(a: Arguments) -> Instead:
    return a.advice(f"Hold({a.spelt('factor')}, over={a.spelt('total_iters')}) >> Hold(1)")


def _step_lr(a: Arguments) -> Instead:
    return a.advice(f"Step({a.spelt('gamma')}, every={a.spelt('step_size')})", note=EPOCHS)


def _multi_step(a: Arguments) -> Instead:
    return a.advice(f"Step({a.spelt('gamma')}, at={a.spelt('milestones')})", note=EPOCHS)


def _exponential_lr(a: Arguments) -> Instead:
    note = 'where step() is called once an epoch, give every="1 epoch", staircase=True'
    return a.advice(f"ExponentialDecay({a.spelt('gamma')})", note=note)


def _one_cycle(a: Arguments) -> Instead:
    first = "" if a["pct_start"] == 0.3 else a.spelt("pct_start")
    more = a.options(div=("div_factor", 25.0), final_div=("final_div_factor", 1e4))
    more += ', shape="linear"' if a["anneal_strategy"] == "linear" else ""
    more += a.options(three_phase=("three_phase", False))
    more += ", momentum=None" if a["cycle_momentum"] is False else ""
    note = "max_lr is the peak, total_steps the total; there the peak comes an update sooner"
    return a.advice(f"OneCycle({(first + more).removeprefix(', ')})", same=False, note=note)


def _restarts(a: Arguments) -> Instead:
    more = a.options(grow=("T_mult", 1))
    floor = a.share("eta_min")
    more += "" if floor == "0" else f", to={floor}"
    return a.advice(f"Restarts({a.spelt('T_0')}{more})", note=EPOCHS)


def _plateau(a: Arguments) -> Instead:
    keras = "monitor" in a.given or "min_delta" in a.given
    metric = "monitor" if a["metric"] is None else "metric"
    more = f"{a.spelt(metric)}, factor={a.spelt('factor')}, patience={a.spelt('patience')}"
    more += a.options(cooldown=("cooldown", 0))
    if keras:
        more += f', threshold={a.spelt("min_delta")}, threshold_mode="abs"'
    else:
        more += a.options(threshold=("threshold", 1e-4), threshold_mode=("threshold_mode", "rel"))
    more += "" if a["mode"] in ("min", "auto") else f", mode={a.spelt('mode')}"
    floor = a.share("min_lr", "floor")
    more += "" if floor == "0" else f", floor={floor}"
    counting = "keras" if keras else "torch"
    return a.advice(f'Plateau({more}, counting="{counting}")', same=False)


def _polynomial_lr(a: Arguments) -> Instead:
    power, over = a.spelt("power"), a.spelt("total_iters")
    return a.advice(f"Polynomial(to=0, power={power}, over={over})", note=EPOCHS)


def _cyclic_lr(a: Arguments) -> Instead:
    low = a.share("base_lr", "low", peak="max_lr")
    more = a.options(down=("step_size_down", None), mode=("mode", "triangular"))
    more += a.options(gamma=("gamma", 1.0))
    write = f"Cyclic({low}, {a.spelt('step_size_up')}{more})"
    momentum = "" if a["cycle_momentum"] is False else "; the momentum is left alone here"
    return a.advice(write, note=f"max_lr is the peak, lr{momentum}")


def _of_lambda(a: Arguments) -> Instead:
    note = "in Python, f(t) being the multiplier of update t; a text cannot hold a function"
    return a.advice(f"Function({a.spelt('lr_lambda')})", note=note, same=False)


# Transformers -------------------------------------------------------------------------------


def _warm(then: Callable[[Arguments], str], *, same: bool = True, note: str = "") -> Told:
    """Return what is told of a schedule of Transformers, its warm-up in front."""

    def told(a: Arguments) -> Instead:
        ratio, steps = a["warmup_ratio"], a["num_warmup_steps"]
        steps = a["warmup_steps"] if "warmup_steps" in a.given else steps
        length = "" if steps in (0, None) else spell(steps)
        if not length and ratio not in (0, None):
            length = f'"{ratio * 100:g}%"' if a.known("warmup_ratio") else spell(ratio)
        tail, first = then(a), spell(a["min_lr_ratio"] or 0)
        front, zero = f"Warmup({length}) >> ", f"Warmup({length}, start={first}) >> "
        write, exact = (front + tail, zero + tail) if length else (tail, tail)
        return Instead(write, a.rates, exact if same else "", note)

    return told


def _power(a: Arguments) -> str:
    every = a["timescale"] or a["warmup_steps"] or a["num_warmup_steps"]
    return f"Power(0.5, every={spell(every)})" if every else "Power()"


def _polynomial(a: Arguments) -> str:
    to = a.share("lr_end") if a["to"] is None else a.spelt("to")
    return f"Polynomial(to={to}, power={a.spelt('power')})"


def _cosine(a: Arguments) -> str:
    cycles, to = a["num_cycles"], a.spelt("to")
    return f"Cosine(to={to})" if cycles == 0.5 else f"Wave(to={to}, cycles={spell(cycles)})"


def _floored(a: Arguments) -> str:
    if a["min_lr_rate"] is not None:
        return f"Cosine(to={a.spelt('min_lr_rate')})"
    return f"Cosine(to={a.share('min_lr')})"


def _hard_restarts(a: Arguments) -> str:
    cycles = a["num_cycles"]
    if cycles == 1:
        return "Cosine(to=0)"
    if not a.known("num_cycles") or not cycles:
        return "Restarts(…)"
    if a.known("num_warmup_steps", "num_training_steps"):
        left = a["num_training_steps"] - a["num_warmup_steps"]
        return f"Restarts({spell(left / cycles)})" if left % cycles == 0 else "Restarts(…)"
    left = _share_left(a)
    return "Restarts(…)" if left is None else f'Restarts("{left / cycles:.6g}%")'


def _share_left(a: Arguments) -> float | None:
    """Return the percentage of the run that is left behind the warm-up, where that is known."""
    given = [a[name] for name in ("warmup_steps", "warmup_ratio") if a[name] not in (0, None)]
    if not given:
        return 100.0
    length = given[0]
    if isinstance(length, float) and length < 1:
        return 100 * (1 - length)
    number, percent, rest = str(length).partition("%")
    try:
        return 100 - float(number) if percent and not rest else None
    except ValueError:
        return None


def _stable(a: Arguments) -> str:
    shapes = {"cosine": "Cosine", "linear": "Linear", "1-sqrt": "Sqrt"}
    shape = shapes.get(a["decay_type"], "Cosine")
    low = a["min_lr_ratio"]
    return f"Hold() >> {shape}(to={spell(low)}, over={a.spelt('num_decay_steps')})"


# Keras and Optax ----------------------------------------------------------------------------


def _keras_cosine(a: Arguments) -> Instead:
    tail = f"Cosine(to={a.spelt('alpha')}, over={a.spelt('decay_steps')})"
    if a["warmup_target"] is None:
        return a.advice(tail)
    start = a.share("initial_learning_rate", "start", peak="warmup_target")
    front = f"Warmup({a.spelt('warmup_steps')}, start={start})"
    return a.advice(f"{front} >> {tail}", note="warmup_target is the peak, lr")


def _decay(a: Arguments) -> Instead:
    rate, every = a.spelt("decay_rate"), a.spelt("decay_steps")
    return a.advice(f"ExponentialDecay({rate}, every={every}{staircase(a)})")


def _inverse_time(a: Arguments) -> Instead:
    rate, every = a.spelt("decay_rate"), a.spelt("decay_steps")
    return a.advice(f"InverseTime({rate}, every={every}{staircase(a)})")


def staircase(a: Arguments) -> str:
    """Return what is written for their `staircase`."""
    return ", staircase=True" if a["staircase"] is True else ""


def _keras_polynomial(a: Arguments) -> Instead:
    to = a.share("end_learning_rate", peak="initial_learning_rate")
    power, over = a.spelt("power"), a.spelt("decay_steps")
    kind, length = ("PolynomialCycles", "every") if a["cycle"] is True else ("Polynomial", "over")
    return a.advice(f"{kind}(to={to}, power={power}, {length}={over})")


def _keras_restarts(a: Arguments) -> Instead:
    more = a.options(grow=("t_mul", 2.0)).replace(", grow=", "") or "2"
    shrink = a.options(shrink=("m_mul", 1.0), to=("alpha", 0.0))
    return a.advice(f"Restarts({a.spelt('first_decay_steps')}, grow={more}{shrink})")


def _optax_cosine(a: Arguments) -> Instead:
    if a["exponent"] != 1.0:
        write = f"Wave(to=0, exponent={a.spelt('exponent')}, over={a.spelt('decay_steps')})"
        low = "" if a["alpha"] == 0 else f".between({a.spelt('alpha')}, 1)"
        return a.advice(write + low, same=False)
    return a.advice(f"Cosine(to={a.spelt('alpha')}, over={a.spelt('decay_steps')})")


def _optax_warmup_cosine(a: Arguments) -> Instead:
    start = a.share("init_value", "start", peak="peak_value")
    to = a.share("end_value", peak="peak_value")
    rest = f"{a.spelt('decay_steps')} - {a.spelt('warmup_steps')}"
    if a.known("decay_steps", "warmup_steps"):
        rest = str(a["decay_steps"] - a["warmup_steps"])
    front = f"Warmup({a.spelt('warmup_steps')}, start={start})"
    note = "peak_value is the peak, lr"
    plain = a["exponent"] == 1.0
    return a.advice(f"{front} >> Cosine(to={to}, over={rest})", same=plain, note=note)


def _optax_exponential(a: Arguments) -> Instead:
    rate, every = a.spelt("decay_rate"), a.spelt("transition_steps")
    begin = "" if a["transition_begin"] == 0 else f"Hold(over={a.spelt('transition_begin')}) >> "
    return a.advice(f"{begin}ExponentialDecay({rate}, every={every}{staircase(a)})")


def _optax_linear(a: Arguments) -> Instead:
    to = a.share("end_value", peak="init_value")
    begin = f"Hold(over={a.spelt('transition_begin')}) >> " if a["transition_begin"] else ""
    return a.advice(f"{begin}Linear(to={to}, over={a.spelt('transition_steps')})")


def _always(write: str, note: str = "") -> Told:
    return lambda _: Instead(write, exact=write if write == "Hold()" else "", note=note)


def _greedy(a: Arguments) -> Instead:
    options = a.options(factor=("factor", 0.95), patience=("patience", 10))
    write = f"Greedy({a.spelt('metric')}{options})"
    return a.advice(write, same=False, note="its low and high are shares of the rate that it has")


def _wsd(a: Arguments) -> Instead:
    given = [f"{name}={spell(a[name])}" for name in ("warmup", "stable", "decay") if a[name]]
    lengths = ", ".join(given) or 'warmup="5%", decay="20%"'
    more = a.options(to=("to", 0), shape=("shape", "linear"))
    return Instead(f"WSD({lengths}{more})", note=_WSD)


# The tables ---------------------------------------------------------------------------------

_WARM = "warmup_steps=0 warmup_ratio=0"
_HF: dict[str, tuple[str, Told]] = {
    "linear": ("to=0", _warm(lambda a: f"Linear(to={a.spelt('to')})")),
    "constant": ("", _always("Hold()")),
    "constant_with_warmup": ("", _warm(lambda _: "Hold()")),
    "cosine": ("num_cycles=0.5 to=0", _warm(_cosine)),
    "cosine_with_restarts": (
        "num_cycles=1",
        _warm(_hard_restarts, same=False, note="one cycle unless num_cycles says more; "
              "a share is of the whole run: for n cycles write Restarts(every=updates left / n)"),
    ),
    "cosine_with_min_lr": ("num_cycles=0.5 min_lr=None min_lr_rate=None", _warm(_floored)),
    "cosine_warmup_with_min_lr": (
        "num_cycles=0.5 min_lr=None min_lr_rate=None",
        _warm(_floored, same=False, note="there the peak and the end come an update sooner"),
    ),
    "polynomial": ("lr_end=1e-07 power=1.0 to=None", _warm(_polynomial)),
    "inverse_sqrt": ("timescale=None", _warm(_power)),
    "warmup_stable_decay": (
        "num_decay_steps num_stable_steps=None warmup_type='linear' decay_type='cosine' "
        "min_lr_ratio=0 num_cycles=0.5",
        _warm(_stable),
    ),
}  # fmt: skip
_ASKS = {
    "constant_with_warmup": "warmup",
    "cosine_with_restarts": "num_cycles",
    "cosine_with_min_lr": "to",
    "cosine_warmup_with_min_lr": "to",
    "polynomial": "power to",
    "inverse_sqrt": "warmup",
    "warmup_stable_decay": "decay",
}
_BOTH = "num_warmup_steps num_training_steps"
_HF_FUNCTIONS = {
    "get_linear_schedule_with_warmup": (_BOTH, "linear"),
    "get_constant_schedule_with_warmup": ("num_warmup_steps", "constant_with_warmup"),
    "get_cosine_schedule_with_warmup": (_BOTH, "cosine"),
    "get_cosine_with_hard_restarts_schedule_with_warmup": (_BOTH, "cosine_with_restarts"),
    "get_polynomial_decay_schedule_with_warmup": (_BOTH, "polynomial"),
    "get_inverse_sqrt_schedule": ("num_warmup_steps", "inverse_sqrt"),
    "get_wsd_schedule": ("num_warmup_steps", "warmup_stable_decay"),
}
_WSD = "give any two of warmup, stable and decay"
_KERAS_TIMED = "initial_learning_rate decay_steps decay_rate staircase=False"
_PLATEAU = (
    "mode='min' factor=0.1 patience=10 threshold=1e-4 threshold_mode='rel' cooldown=0 min_lr=0 "
    "monitor='val_loss' min_delta=1e-4 metric=None"
)

NAMES: dict[str, Foreign] = {
    **{
        name: Foreign("Transformers", f"{_WARM} {more}", told, _ASKS.get(name, ""))
        for name, (more, told) in _HF.items()
    },
    **{
        name: Foreign(
            "Transformers", f"{first} {_HF[kind][0]}", _HF[kind][1],
            " ".join(dict.fromkeys(["warmup", *_ASKS.get(kind, "").split()])),
        )
        for name, (first, kind) in _HF_FUNCTIONS.items()
    },
    "get_constant_schedule": Foreign("Transformers", "", _always("Hold()")),
    "reduce_lr_on_plateau": Foreign("Transformers", _PLATEAU, _plateau, "metric"),
    "greedy": Foreign("Transformers", "metric='eval_loss' factor=0.95 patience=10", _greedy,
                      "metric"),
    "wsd": Foreign("other trainers", "warmup=None stable=None decay=None to=0 shape='linear'",
                   _wsd, "warmup decay"),
    "one_cycle": Foreign("other trainers", "", _always("OneCycle()")),
    "CosineAnnealingLR": Foreign("PyTorch", "T_max eta_min=0.0", _annealing),
    "LinearLR": Foreign(
        "PyTorch", f"start_factor={1 / 3} end_factor=1.0 total_iters=5", _linear_lr
    ),
    "ConstantLR": Foreign("PyTorch", f"factor={1 / 3} total_iters=5", _constant_lr),
    "StepLR": Foreign("PyTorch", "step_size gamma=0.1", _step_lr),
    "MultiStepLR": Foreign("PyTorch", "milestones gamma=0.1", _multi_step),
    "ExponentialLR": Foreign("PyTorch", "gamma", _exponential_lr),
    "PolynomialLR": Foreign("PyTorch", "total_iters=5 power=1.0", _polynomial_lr),
    "OneCycleLR": Foreign(
        "PyTorch",
        "max_lr total_steps=None epochs=None steps_per_epoch=None pct_start=0.3 "
        "anneal_strategy='cos' cycle_momentum=True base_momentum=0.85 max_momentum=0.95 "
        "div_factor=25.0 final_div_factor=1e4 three_phase=False",
        _one_cycle,
    ),
    "CosineAnnealingWarmRestarts": Foreign("PyTorch", "T_0 T_mult=1 eta_min=0.0", _restarts),
    "CyclicLR": Foreign(
        "PyTorch",
        "base_lr max_lr step_size_up=2000 step_size_down=None mode='triangular' gamma=1.0 "
        "cycle_momentum=True base_momentum=0.8 max_momentum=0.9",
        _cyclic_lr,
    ),
    "ReduceLROnPlateau": Foreign("PyTorch and Keras", _PLATEAU, _plateau),
    "LambdaLR": Foreign("PyTorch", "lr_lambda", _of_lambda),
    "SequentialLR": Foreign("PyTorch", "", _always(
        "Warmup(100) >> Cosine(to=0)", "one move behind the other, each with its own over"
    )),
    "ChainedScheduler": Foreign("PyTorch", "", _always(
        "ExponentialDecay(0.999) * Step(0.5, every=300)", "the product of the two"
    )),
    "CosineDecay": Foreign(
        "Keras",
        "initial_learning_rate decay_steps alpha=0.0 name=None warmup_target=None warmup_steps=0",
        _keras_cosine,
    ),
    "ExponentialDecay": Foreign("Keras", _KERAS_TIMED, _decay),
    "InverseTimeDecay": Foreign("Keras", _KERAS_TIMED, _inverse_time),
    "PolynomialDecay": Foreign(
        "Keras",
        "initial_learning_rate decay_steps end_learning_rate=1e-4 power=1.0 cycle=False",
        _keras_polynomial,
    ),
    "CosineDecayRestarts": Foreign(
        "Keras",
        "initial_learning_rate first_decay_steps t_mul=2.0 m_mul=1.0 alpha=0.0",
        _keras_restarts,
    ),
    "cosine_decay_schedule": Foreign(
        "Optax", "init_value decay_steps alpha=0.0 exponent=1.0", _optax_cosine
    ),
    "warmup_cosine_decay_schedule": Foreign(
        "Optax",
        "init_value peak_value warmup_steps decay_steps end_value=0.0 exponent=1.0",
        _optax_warmup_cosine,
    ),
    "exponential_decay": Foreign(
        "Optax",
        "init_value transition_steps decay_rate transition_begin=0 staircase=False",
        _optax_exponential,
    ),
    "linear_schedule": Foreign(
        "Optax", "init_value end_value transition_steps transition_begin=0", _optax_linear
    ),
    "constant_schedule": Foreign("Optax", "value", _always("Hold()")),
}  # fmt: skip
"""Schedules by the name that they have elsewhere."""
