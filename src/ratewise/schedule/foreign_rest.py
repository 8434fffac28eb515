"""Names of smaller libraries, of older versions and of other people's schedulers."""

from __future__ import annotations

from collections.abc import Callable

from ratewise.schedule.foreign_calls import Arguments, Foreign, Instead, Told, spell
from ratewise.schedule.foreign_more import MORE, annealed, decayed
from ratewise.schedule.foreign_names import EPOCHS, NAMES

Write = Callable[[Arguments], str]


def _front(a: Arguments, name: str = "warmup_steps", start: str = "0") -> str:
    length = a[name]
    return "" if length in (0, None) else f"Warmup({spell(length)}, start={start}) >> "


def _behind(tail: str, steps: str = "warmup_steps") -> Told:
    """Return what is told of a warm-up from 0 with this behind it."""
    return lambda a: a.advice(_front(a, steps) + tail, same=False)


def _between(a: Arguments) -> str:
    """Return the length of MMEngine's window, where both of its ends are numbers."""
    return spell(a["end"] - a["begin"]) if a.known("begin", "end") else a.spelt("end")


# MMEngine -----------------------------------------------------------------------------------

_WINDOW = "begin=0 end=None by_epoch=True convert_to_iter_based=False"
_ENGINE = 'with by_epoch=True a length is "100 epochs"'
_LAST = f"there the end comes an update sooner; {_ENGINE}"


def _over(a: Arguments) -> str:
    return "" if a["end"] is None else f", over={_between(a)}"


MMENGINE: dict[str, Foreign] = {
    "LinearLR": Foreign(
        "MMEngine", f"start_factor={1 / 3} end_factor=1.0 {_WINDOW}",
        decayed(lambda a: f"Linear(to={a.spelt('end_factor')}{_over(a)}, "
                f"start={a.spelt('start_factor')})", _LAST, same=False),
    ),
    "ConstantLR": Foreign(
        "MMEngine", f"factor={1 / 3} {_WINDOW}",
        decayed(lambda a: f"Hold({a.spelt('factor')}{_over(a)}) >> Hold(1)", _LAST, same=False),
    ),
    "MultiStepLR": Foreign(
        "MMEngine", f"milestones gamma=0.1 {_WINDOW}",
        decayed(lambda a: f"Step({a.spelt('gamma')}, at={a.spelt('milestones')})", _ENGINE,
                same=False),
    ),
    "StepLR": Foreign(
        "MMEngine", f"step_size gamma=0.1 {_WINDOW}",
        decayed(lambda a: f"Step({a.spelt('gamma')}, every={a.spelt('step_size')})", _ENGINE,
                same=False),
    ),
    "CosineAnnealingLR": Foreign(
        "MMEngine", f"T_max=None eta_min=0 eta_min_ratio=None {_WINDOW}",
        decayed(lambda a: f"Cosine(to={_low(a)}{_cosines(a)})", _ENGINE, same=False),
    ),
}  # fmt: skip
"""Names that PyTorch has too."""


def _low(a: Arguments) -> str:
    return a.share("eta_min") if a["eta_min_ratio"] is None else a.spelt("eta_min_ratio")


def _cosines(a: Arguments) -> str:
    return _over(a) if a["T_max"] is None else f", over={a.spelt('T_max')}"


# Shapes ---------------------------------------------------------------------------------------


def _linear_cycle(a: Arguments) -> Instead:
    """Optax: to the peak at int(share·n), back at int(final·n), and to the end at n."""
    n, first, back = a["transition_steps"], a["pct_start"], a["pct_final"]
    if not a.known("transition_steps", "pct_start", "pct_final", "div_factor", "final_div_factor"):
        return a.advice("OneCycle(momentum=None)", same=False)
    low, end = 1 / a["div_factor"], 1 / (a["div_factor"] * a["final_div_factor"])
    points = {0: low, int(first * n): 1.0, int(back * n): low, n: end}
    text = ", ".join(f"{x}: {spell(float(f'{y:.12g}'))}" for x, y in points.items())
    return a.advice(f'Piecewise({{{text}}}, shape="linear")', note="peak_value is the peak, lr")


def _interpolated(a: Arguments) -> Instead:
    told = MORE["piecewise_constant_schedule"].advice(
        {k: v for k, v in a.given.items() if k != "interpolate_type"}
    )
    shape = "cosine" if a["interpolate_type"] == "cosine" else "linear"
    write = f'{told.write[:-1]}, shape="{shape}")'
    return a.advice(write, same=told.exact != "", note=told.note)


def _warm_restarts(a: Arguments) -> Instead:
    low = a.share("min_lr", "to", peak="max_lr")
    front = (
        ""
        if a["warmup_steps"] in (0, None)
        else f"Warmup({a.spelt('warmup_steps')}, start={low}) >> "
    )
    more = a.options(grow=("cycle_mult", 1), shrink=("gamma", 1))
    write = f"Repeat({front}Cosine(to={low}), every={a.spelt('first_cycle_steps')}{more})"
    return a.advice(write, same=False, note="max_lr is the peak, lr")


def _tri_stage(a: Arguments) -> Instead:
    shares = a["phase_ratio"] if isinstance(a["phase_ratio"], list | tuple) else (0.1, 0.4, 0.5)
    first, second, third = (f'"{share * 100:g}%"' for share in [*shares, 0, 0, 0][:3])
    write = (
        f"Warmup({first}, start={a.spelt('init_lr_scale')}) >> Hold(over={second}) >> "
        f"Exponential(to={a.spelt('final_lr_scale')}, over={third})"
    )
    return a.advice(write, same=False)


def _steps_in_epochs(a: Arguments) -> Instead:
    note = "timm counts epochs unless t_in_epochs=False: then times the updates of an epoch"
    return a.advice(
        f"Step({a.spelt('decay_rate')}, at={a.spelt('decay_t')})", same=False, note=note
    )


def _plateau(a: Arguments) -> Instead:
    write = (
        f'Plateau("val_loss", factor={a.spelt("decay_rate")}, patience={a.spelt("patience_t")}, '
        'counting="torch")'
    )
    return a.advice(write, same=False)


def _noam(a: Arguments) -> Instead:
    size, factor = a["model_size"], a["factor"]
    if size in (None, 0):
        return a.advice(f"InverseSqrt({a.spelt('warmup_steps')})", same=False)
    more = "" if factor in (1, None) else f", {a.spelt('factor')}"
    note = "its levels are rates: give the optimizer lr=1"
    write = f"Noam({a.spelt('warmup_steps')}, {a.spelt('model_size')}{more})"
    return a.advice(write, same=False, note=note)


def _cyclic(a: Arguments) -> str:
    low = a.share("base_learning_rate", "low", peak="max_learning_rate")
    return f"Cyclic({low}, {a.spelt('step_size_up')})"


_POLICY = "warmup_steps=None warmup_ratio=None max_steps=None min_lr=0"
_COMPOSERS = "t_warmup alpha_f=0.0 t_max='1dur' scale_warmup=False"
_OLD = "warmup_steps t_total=None"
_SWA = "swa_lr anneal_epochs=10 anneal_strategy='cos'"
_PER_UPDATE = "in Python, f(t) being the multiplier of update t; a text cannot hold a function"
_WARM_DETECTRON = "gamma=0.1 warmup_factor=0.001 warmup_iters=1000 warmup_method='linear'"


def _detectron(tail: Write) -> Told:
    def told(a: Arguments) -> Instead:
        start = f"start={a.spelt('warmup_factor')}"
        front = f"Warmup({a.spelt('warmup_iters')}, {start}) >> "
        return a.advice(front + tail(a), same=False)

    return told


def _milestones(a: Arguments) -> str:
    """Return the steps behind the warm-up, which detectron2 counts from the start."""
    at, first = a["milestones"], a["warmup_iters"]
    if isinstance(at, list | tuple) and all(isinstance(x, int) and x > first for x in at):
        at = tuple(x - first for x in at)
    return f"Step({a.spelt('gamma')}, at={spell(at)})"


def _policy(tail: Write) -> Told:
    """NeMo: a warm-up, in steps or as a ratio, and a decay to min_lr."""

    def told(a: Arguments) -> Instead:
        steps, ratio = a["warmup_steps"], a["warmup_ratio"]
        length = spell(steps) if steps not in (0, None) else ""
        if not length and a.known("warmup_ratio") and ratio:
            length = f'"{ratio * 100:g}%"'
        front = f"Warmup({length}) >> " if length else ""
        return a.advice(front + tail(a), same=False, note="max_steps is the run's own length")

    return told


def _composers(tail: Write) -> Told:
    def told(a: Arguments) -> Instead:
        length = a["t_warmup"]
        text = length.removesuffix("ba") if isinstance(length, str) else spell(length)
        text = f'"{text[:-2]} epochs"' if text.endswith("ep") else text
        return a.advice(f"Warmup({text}, start=0) >> {tail(a)}", same=False)

    return told


def _to(a: Arguments) -> str:
    return a.share("min_lr")


REST: dict[str, Foreign] = {
    "MultiplicativeLR": Foreign("PyTorch", "lr_lambda", lambda a: a.advice(
        f"Function({a.spelt('lr_lambda')})", same=False,
        note=f"{_PER_UPDATE}; there it is the product of all factors up to t")),
    "SWALR": Foreign("PyTorch", _SWA, decayed(
        lambda a: f"{'Linear' if a['anneal_strategy'] == 'linear' else 'Cosine'}"
        f"(to={a.share('swa_lr')}, over={a.spelt('anneal_epochs')})")),
    "PlateauLRScheduler": Foreign("timm", "decay_rate=0.1 patience_t=10 mode='max'", _plateau),
    "MultiStepLRScheduler": Foreign("timm", "decay_t=(30,60) decay_rate=1.0", _steps_in_epochs),
    "linear_onecycle_schedule": Foreign(
        "Optax", "transition_steps peak_value pct_start=0.3 pct_final=0.85 div_factor=25.0 "
        "final_div_factor=1e4", _linear_cycle),
    "piecewise_interpolate_schedule": Foreign(
        "Optax", "interpolate_type init_value boundaries_and_scales", _interpolated),
    "PolyLR": Foreign("MMEngine", f"eta_min=0 power=1 {_WINDOW}", decayed(
        lambda a: f"Polynomial(to={a.share('eta_min')}, power={a.spelt('power')}{_over(a)})",
        _LAST, same=False)),
    "QuadraticWarmupLR": Foreign("MMEngine", f"{_WINDOW}", decayed(
        lambda a: f'Warmup({"100" if a["end"] is None else _between(a)}, start=0, '
        'shape="quadratic") >> Hold()', _ENGINE, same=False)),
    "CosineRestartLR": Foreign(
        "MMEngine", f"periods=(100,) restart_weights=(1,) eta_min=0 {_WINDOW}", decayed(
            lambda a: " >> ".join(
                f"Cosine(to={a.share('eta_min')}, over={spell(period)}, start=1)"
                for period in (a["periods"] if isinstance(a["periods"], list | tuple) else [100])
            ), _ENGINE, same=False)),
    "WarmupConstantSchedule": Foreign("Transformers", "warmup_steps", _behind("Hold()")),
    "WarmupLinearSchedule": Foreign("Transformers", _OLD, _behind("Linear(to=0)")),
    "WarmupCosineSchedule": Foreign("Transformers", _OLD, _behind("Cosine(to=0)")),
    "WarmupCosineWithHardRestartsSchedule": Foreign("Transformers", _OLD, _behind("Cosine(to=0)")),
    "WarmupLinear": Foreign("other trainers", "warmup_steps t_total=None", _behind("Linear(to=0)")),
    "WarmupMultiStepLR": Foreign("detectron2", f"milestones {_WARM_DETECTRON}", _detectron(
        _milestones)),
    "tri_stage": Foreign("fairseq", "phase_ratio=None init_lr_scale=0.01 final_lr_scale=0.01",
                         _tri_stage),
    "fixed": Foreign("fairseq", "", NAMES["constant"].told),
    "polynomial_decay": Foreign(
        "fairseq", "warmup_updates=0 power=1 end_learning_rate=0 total_num_update=None", decayed(
            lambda a: _front(a, "warmup_updates") + f"Polynomial(to={a.share('end_learning_rate')}"
            f", power={a.spelt('power')})", "")),
    "NoamLR": Foreign("AllenNLP", "model_size=None warmup_steps=4000 factor=1.0", _noam),
    "NoamOpt": Foreign("other trainers", "model_size=512 factor=1.0 warmup_steps=4000", _noam),
    "InverseSquareRootSchedule": NAMES["inverse_sqrt"]._replace(library="fairseq"),
    "CosineAnnealingWarmupRestarts": Foreign(
        "PyTorch add-ons", "first_cycle_steps cycle_mult=1.0 max_lr=0.1 min_lr=0.001 "
        "warmup_steps=0 gamma=1.0", _warm_restarts),
    "GradualWarmupScheduler": Foreign(
        "PyTorch add-ons", "multiplier=1.0 total_epoch=5 after_scheduler=None", lambda a: a.advice(
            f'Warmup("{spell(a["total_epoch"])} epochs", start=0) >> Cosine(to=0)', same=False,
            note="what is behind it is its after_scheduler's")),
    "WarmupPolicy": Foreign("NeMo", _POLICY, _policy(lambda a: "Hold()")),
    "WarmupAnnealing": Foreign("NeMo", _POLICY, _policy(lambda a: f"Linear(to={_to(a)})")),
    "CosineAnnealing": Foreign("NeMo", _POLICY, _policy(lambda a: f"Cosine(to={_to(a)})")),
    "PolynomialDecayAnnealing": Foreign("NeMo", f"{_POLICY} power=1.0", _policy(
        lambda a: f"Polynomial(to={_to(a)}, power={a.spelt('power')})")),
    "SquareAnnealing": Foreign("NeMo", _POLICY, _policy(
        lambda a: f"Polynomial(to={_to(a)}, power=2)")),
    "InverseSquareRootAnnealing": Foreign("NeMo", _POLICY, _policy(
        lambda a: f"Power(0.5, every={spell(a['warmup_steps'] or 100)})")),
    "NoamAnnealing": Foreign("NeMo", "d_model warmup_steps=100 max_steps=None min_lr=0",
                             lambda a: a.advice(
        f"Noam({a.spelt('warmup_steps')}, {a.spelt('d_model')})", same=False)),
    "CosineAnnealingWithWarmupScheduler": Foreign("Composer", _COMPOSERS, _composers(
        lambda a: f"Cosine(to={a.spelt('alpha_f')})")),
    "LinearWithWarmupScheduler": Foreign("Composer", _COMPOSERS, _composers(
        lambda a: f"Linear(to={a.spelt('alpha_f')})")),
    "ConstantWithWarmupScheduler": Foreign("Composer", _COMPOSERS, _composers(lambda a: "Hold()")),
    "natural_exp_decay": Foreign(
        "TensorFlow 1", "learning_rate global_step=None decay_steps=1 decay_rate=0.9",
        decayed(lambda a: f"NaturalDecay({a.spelt('decay_rate')})", "", same=False)),
    "LearningRateScheduler": Foreign("Keras", "schedule", lambda a: a.advice(
        f"Function({a.spelt('schedule')})", same=False, note=_PER_UPDATE)),
}  # fmt: skip
"""Schedules by the name that they have there."""

TWICE: dict[str, tuple[Foreign, ...]] = {
    **{name: (one,) for name, one in MMENGINE.items()},
    "WarmupCosineLR": (
        Foreign("detectron2", "max_iters warmup_factor=0.001 warmup_iters=1000 "
                "warmup_method='linear'", _detectron(lambda a: "Cosine(to=0)")),
    ),
    "polynomial_decay": (MORE["polynomial_decay"],),
    "CyclicLR": (
        Foreign("Paddle", "base_learning_rate max_learning_rate step_size_up step_size_down=None",
                decayed(_cyclic, EPOCHS, same=False)),
    ),
    "cosine_decay": (
        Foreign("TensorFlow 1", "learning_rate global_step=None decay_steps=1000 alpha=0.0",
                decayed(lambda a: f"Cosine(to={a.spelt('alpha')}, over={a.spelt('decay_steps')})",
                        "", same=False)),
    ),
    "LinearWarmupCosineAnnealingLR": (
        Foreign("PyTorch add-ons", "warmup_steps max_steps warmup_start_lr=0.0 eta_min=0.0",
                decayed(lambda a: _front(a) + annealed("", "eta_min", "max_steps")(a), "",
                        same=False)),
    ),
}  # fmt: skip
"""Names that another library has too, with other arguments."""
