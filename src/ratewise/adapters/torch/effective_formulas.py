"""The step that each optimizer takes for a gradient, parameter by parameter.

The last update changed a weight by Δw = −r·ḡ, weight decay aside, where ḡ is the mean of the
gradients that the optimizer looked at, with weights that add up to 1. Here stands r for each.
Written: η the rate of the group, t the updates so far, the last one included, and for each
element v the (decaying) mean of squared gradients.

    SGD                 η·(1 − d)/(1 − μ)                   momentum μ, dampening d; Nesterov too
    RMSprop             η / ((√v + ε)·(1 − μ))              centered: v minus the mean's square
    Adagrad             η/(1 + (t − 1)·γ) / (√Σg² + ε)      γ = lr_decay
    Adam, AdamW         η / (√v̂ + ε)                       v̂ = v/(1 − β₂ᵗ); amsgrad: its largest v
    NAdam               η·c / (√v̂ + ε)                     c, the weights of g and m added up, → 1
    RAdam               η·ρ / (√v̂ + ε/√(1 − β₂ᵗ))          ρ its rectification; η while it has none
    Adamax              η / u                               u the decaying largest |g|
    Adafactor           ρ·max(ε₂, RMS(w)) / (c·√v̂)         ρ = min(η, 1/√t), v̂ from its rows and
                                                            columns, c = max(1, RMS(g/√v̂)/d)
    Prodigy             η·d²·k / (√v + d·ε)                 k = √(1 − β₂ᵗ) if it corrects its bias,
                                                            else 1 − β₁ᵗ
    schedule-free       η'/(√v̂ + ε), SGD: η'               of its base point z; η' = scheduled_lr

With momentum of SGD and RMSprop, and with `beta1` of Transformers' Adafactor, r is that of the
steady state, which is reached after a few times 1/(1 − μ) updates: their state does not tell how
many there were. Prodigy's is exact once d stands still. RMS(w) of torch's Adafactor is taken after
the update, which makes r wrong by at most its own relative step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Number = float | Tensor
Settings = Mapping[str, Any]


def exact(value: Any) -> Any:
    """Return a number or a tensor in double precision, on its device, where that knows it."""
    if not isinstance(value, Tensor):
        return float(value)
    return value.detach().to(widest(value.device))


def widest(device: torch.device) -> torch.dtype:
    """Return the widest floats that a device knows."""
    return torch.float32 if device.type == "mps" else torch.float64


@dataclass(frozen=True, eq=False)
class Sample:
    """Some elements of one parameter: where they are, and what the optimizer holds of it.

    Args:
        parameter: The parameter.
        state: What the optimizer holds of it.
        at: Indices into the flattened parameter, int64[n], on its device.
    """

    parameter: Tensor
    state: Settings
    at: Tensor

    def pick(self, tensor: Tensor) -> Tensor:
        """Return the elements of a tensor that is shaped like the parameter."""
        return exact(flat_view(tensor).take(self.at))

    def read(self, name: str) -> Tensor:
        """Return the elements of a part of the state."""
        return self.pick(self.state[name])

    @property
    def t(self) -> Any:
        """Updates of this parameter so far."""
        return exact(self.state["step"])


def flat_view(tensor: Tensor) -> Tensor:
    """Return a tensor in real numbers; of one that is spread over processes, the part here."""
    here: Any = getattr(tensor, "to_local", None)
    tensor = (here() if here is not None else tensor).detach()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _sgd(group: Settings, sample: Sample) -> Number:
    momentum, dampening = exact(group["momentum"]), exact(group["dampening"])
    return exact(group["lr"]) * ((1 - dampening) / (1 - momentum) if group["momentum"] else 1)


def _rmsprop(group: Settings, sample: Sample) -> Number:
    v = sample.read("square_avg")
    if group["centered"]:
        v = (v - sample.read("grad_avg") ** 2).clamp(min=0)
    return exact(group["lr"]) / ((v.sqrt() + group["eps"]) * (1 - group["momentum"]))


def _adagrad(group: Settings, sample: Sample) -> Number:
    rate = exact(group["lr"]) / (1 + (sample.t - 1) * group["lr_decay"])
    rates = rate / (sample.read("sum").sqrt() + group["eps"])
    begun = torch.as_tensor(sample.t > 0)  # it has a state before its first update
    return torch.where(begun.to(rates.device), rates, torch.nan)


def _debiased(group: Settings, sample: Sample, name: str = "exp_avg_sq", t: Any = None) -> Tensor:
    """Return √(v/(1 − β₂ᵗ))."""
    beta = exact(group["betas"][1])
    return (sample.read(name) / (1 - beta ** (sample.t if t is None else t))).sqrt()


def _adam(group: Settings, sample: Sample) -> Number:
    name = "max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"
    return exact(group["lr"]) / (_debiased(group, sample, name) + group["eps"])


def _nadam(group: Settings, sample: Sample) -> Number:
    beta, decay, t = exact(group["betas"][0]), group["momentum_decay"], sample.t
    product = exact(sample.state["mu_product"])
    now = beta * (1 - 0.5 * 0.96 ** (t * decay))
    then = beta * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
    share = (1 - now) / (1 - product) + then * (1 - beta**t) / (1 - product * then)
    return exact(group["lr"]) * share / (_debiased(group, sample) + group["eps"])


def _rectification(beta: Any, t: Any, least: float) -> tuple[Tensor, Tensor]:
    """Return RAdam's ρ and whether there are updates enough for it to be defined."""
    t = torch.as_tensor(t)
    most = 2 / (1 - beta) - 1
    length = most - 2 * t * beta**t / (1 - beta**t)
    known = length > least
    safe = torch.where(known, length, 5.0)
    square = (safe - 4) * (safe - 2) * most / ((most - 4) * (most - 2) * safe)
    return square.sqrt(), known


def _radam(group: Settings, sample: Sample) -> Number:
    beta, t = exact(group["betas"][1]), sample.t
    factor, known = _rectification(beta, t, 5.0)
    v = sample.read("exp_avg_sq").sqrt() + group["eps"]
    scale = factor * (1 - beta**t) ** 0.5 / v
    return exact(group["lr"]) * torch.where(known.to(scale.device), scale, 1.0)


def _adamax(group: Settings, sample: Sample) -> Number:
    return exact(group["lr"]) / sample.read("exp_inf")


def _prodigy(group: Settings, sample: Sample) -> Number:
    (beta1, beta2), d, t = map(exact, group["betas"]), exact(group["d"]), sample.t
    share = (1 - beta2**t) ** 0.5 if group["use_bias_correction"] else 1 - beta1**t
    v = sample.read("exp_avg_sq").sqrt()
    return exact(group["lr"]) * d * d * share / (v + d * group["eps"])


def _schedule_free_sgd(group: Settings, sample: Sample) -> Number:
    return exact(group["scheduled_lr"])


def _schedule_free_adamw(group: Settings, sample: Sample) -> Number:
    rate = exact(group["scheduled_lr"])
    return rate / (_debiased(group, sample, t=group["k"]) + group["eps"])


def _schedule_free_radam(group: Settings, sample: Sample) -> Number:
    _, known = _rectification(exact(group["betas"][1]), float(group["k"]), 4.0)
    adaptive = torch.as_tensor(_schedule_free_adamw(group, sample))
    return torch.where(known.to(adaptive.device), adaptive, exact(group["scheduled_lr"]))


def _adafactor(group: Settings, sample: Sample) -> Number:
    p, state = sample.parameter, sample.state
    tiny = torch.finfo(p.dtype).eps if group["eps"][0] is None else group["eps"][0]
    if "row_var" in state:
        row = state["row_var"]
        v = (row @ state["col_var"]).div_(row.mean(dim=-2, keepdim=True).clamp(min=tiny))
    else:
        v = state["variance"]
    rate = torch.as_tensor(exact(group["lr"])).clamp(max=sample.t**-0.5)
    rate = rate * _rms(p).clamp(min=group["eps"][1])
    return rate * _factored(sample, v.clamp(min=tiny**2), group["d"])


def _transformers_adafactor(group: Settings, sample: Sample) -> Number:
    state, t = sample.state, sample.t
    rate: Any = 0.0 if group["lr"] is None else exact(group["lr"])
    if group["relative_step"]:
        rate = min(1e-6 * t if group["warmup_init"] else 1e-2, t**-0.5)
    if group["scale_parameter"]:
        rate = rate * exact(state["RMS"]).clamp(min=group["eps"][1])
    if "exp_avg_sq_row" in state:
        row, column = state["exp_avg_sq_row"], state["exp_avg_sq_col"]
        v = (row / row.mean(dim=-1, keepdim=True)).unsqueeze(-1) * column.unsqueeze(-2)
    else:
        v = state["exp_avg_sq"]
    return rate * _factored(sample, v, group["clip_threshold"])


def _rms(tensor: Tensor) -> Tensor:
    return exact(tensor.norm(2)) / tensor.numel() ** 0.5


def _factored(sample: Sample, v: Tensor, limit: float) -> Tensor:
    """Return 1/√v, clipped as the update was; without a gradient, not clipped.

    What it is clipped by is one number for the parameter, so this looks at all of its elements.
    """
    inverse = v.rsqrt()
    gradient = sample.parameter.grad
    rates = sample.pick(inverse)
    if gradient is None:
        return rates
    return rates / (_rms(inverse.mul(gradient)) / limit).clamp(min=1)


Formula = Callable[[Settings, Sample], Number]

FORMULAS: dict[str, Formula] = {
    "prodigyopt.Prodigy": _prodigy,
    "schedulefree.AdamWScheduleFree": _schedule_free_adamw,
    "schedulefree.RAdamScheduleFree": _schedule_free_radam,
    "schedulefree.SGDScheduleFree": _schedule_free_sgd,
    "torch.Adafactor": _adafactor,
    "torch.Adagrad": _adagrad,
    "torch.Adam": _adam,
    "torch.AdamW": _adam,
    "torch.Adamax": _adamax,
    "torch.NAdam": _nadam,
    "torch.RAdam": _radam,
    "torch.RMSprop": _rmsprop,
    "torch.SGD": _sgd,
    "transformers.Adafactor": _transformers_adafactor,
}
"""By the package and the name of the class; a subclass has the formula of its base."""

STATELESS = {"torch.SGD"}
"""Those whose rate is known before the first update."""
