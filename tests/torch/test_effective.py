"""Effective rates: each formula against the steps that real optimizers take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ratewise as rw
from ratewise.torch import Scheduler, effective_rate

SHAPES = [(6, 5), (7,), (2, 3, 4)]
LR = 3e-4
optim = torch.optim


def third_party(package: str, name: str) -> Callable[..., Any]:
    """A class of a package that may be missing, asked for in the test that needs it."""
    return lambda *args, **options: getattr(pytest.importorskip(package), name)(*args, **options)


Prodigy = third_party("prodigyopt", "Prodigy")
AdamWFree = third_party("schedulefree", "AdamWScheduleFree")
RAdamFree = third_party("schedulefree", "RAdamScheduleFree")
SGDFree = third_party("schedulefree", "SGDScheduleFree")
HFAdafactor = third_party("transformers", "Adafactor")


class Trial:
    """An optimizer that is given gradients, and what its last update did."""

    def __init__(self, make: Any, *, constant: bool = False, **options: Any) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.weights = [nn.Parameter(self.draw(shape)) for shape in SHAPES]
        self.optimizer = make([{"params": self.weights}], **options)
        if hasattr(self.optimizer, "train"):
            self.optimizer.train()
        self.constant = [self.draw(shape) for shape in SHAPES] if constant else None
        self.seen: list[list[Tensor]] = []

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return 1e-2 * torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def points(self) -> list[Tensor]:
        """The weights; of a schedule-free optimizer, those that its gradients move."""
        state = self.optimizer.state
        return [state[w]["z"].clone() if "z" in state.get(w, {}) else w.detach().clone()
                for w in self.weights]  # fmt: skip

    def update(self) -> None:
        gradients = self.constant or [self.draw(shape) for shape in SHAPES]
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient.clone()
        self.seen.append([gradient.clone() for gradient in gradients])
        self.optimizer.step()

    def run(self, updates: int) -> Trial:
        for _ in range(updates - 1):
            self.update()
        self.before = self.points()
        self.update()
        self.after = self.points()
        return self

    def ratios(self, shares: Callable[[int], Any], decay: float = 0.0) -> list[float]:
        """−Δw/ḡ of every weight, ascending; `shares(t)` are the weights of the gradients in ḡ."""
        weights = np.asarray(shares(len(self.seen)))
        assert weights.sum() == pytest.approx(1, rel=1e-9)
        found: list[float] = []
        for i, (a, b) in enumerate(zip(self.before, self.after, strict=True)):
            mean = sum(float(w) * g[i] for w, g in zip(weights, self.seen, strict=True))
            found += ((a * (1 - decay) - b) / mean).flatten().tolist()
        return sorted(found)

    def rates(self) -> list[float]:
        (group,) = effective_rate(self.optimizer).groups
        assert group.rates is not None
        assert group.elements == len(group.rates) == sum(w.numel() for w in self.weights)
        return group.rates.tolist()


def last(t: int) -> list[float]:
    """The mean of an optimizer that looks at the newest gradient alone."""
    return [0.0] * (t - 1) + [1.0]


def averaged(beta: float) -> Callable[[int], Any]:
    """The decaying mean, its bias corrected."""
    return lambda t: (1 - beta) * beta ** np.arange(t)[::-1] / (1 - beta**t)


def nesterov(beta: float) -> Callable[[int], Any]:
    """The decaying sum with the newest gradient in it once more, as a mean."""

    def shares(t: int) -> Any:
        weights = beta * beta ** np.arange(t)[::-1]
        weights[-1] += 1
        return weights / weights.sum()

    return shares


EXACT: list[Any] = [
    (optim.SGD, {}, last, 3),
    (optim.SGD, {"momentum": 0.9}, averaged(0.9), 300),
    (optim.SGD, {"momentum": 0.8, "dampening": 0.3}, averaged(0.8), 150),
    (optim.SGD, {"momentum": 0.9, "nesterov": True}, nesterov(0.9), 300),
    (optim.RMSprop, {}, last, 7),
    (optim.RMSprop, {"alpha": 0.9, "centered": True, "eps": 1e-6}, last, 7),
    (optim.Adagrad, {}, last, 1),
    (optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.01}, last, 9),
    (optim.Adam, {}, averaged(0.9), 1),
    (optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-3}, averaged(0.8), 12),
    (optim.Adam, {"amsgrad": True, "betas": (0.9, 0.5)}, averaged(0.9), 12),
    (optim.Adam, {"foreach": True, "maximize": False}, averaged(0.9), 5),
    (optim.RAdam, {}, averaged(0.9), 3),
    (optim.RAdam, {"eps": 1e-4}, averaged(0.9), 40),
    (optim.Adamax, {"eps": 1e-4}, averaged(0.9), 12),
    (optim.Adafactor, {"lr": 1e-6}, last, 1),
    (optim.Adafactor, {"lr": 1e-6, "d": 1.01}, last, 20),
    (optim.Adafactor, {"lr": 1e-6, "eps": (1e-3, 0.5)}, last, 20),
    (HFAdafactor, {}, last, 5),
    (HFAdafactor, {"warmup_init": True, "clip_threshold": 0.2}, last, 5),
    (HFAdafactor, {"lr": LR, "relative_step": False, "scale_parameter": False}, last, 5),
    (Prodigy, {"lr": 1.0, "d_coef": 1e-9, "d0": LR}, averaged(0.9), 12),
    (Prodigy, {"lr": 0.5, "d_coef": 1e-9, "d0": LR, "use_bias_correction": True},
     averaged(0.9), 12),
    (SGDFree, {"warmup_steps": 10}, last, 5),
    (AdamWFree, {"warmup_steps": 10, "eps": 1e-3}, last, 5),
    (RAdamFree, {}, last, 40),
    (RAdamFree, {"silent_sgd_phase": False}, last, 3),
]  # fmt: skip


@pytest.mark.parametrize(("make", "options", "shares", "updates"), EXACT)
def test_the_rate_is_the_step_per_mean_gradient(
    make: Any, options: Any, shares: Any, updates: int
) -> None:
    """Δw = −r·ḡ for every single weight, after updates on random gradients."""
    options = options if make is HFAdafactor else {"lr": LR} | options
    trial = Trial(make, **options).run(updates)
    np.testing.assert_allclose(trial.rates(), trial.ratios(shares), rtol=1e-5)


STEADY: list[Any] = [
    (optim.SGD, {"momentum": 0.9, "nesterov": True}, 300),
    (optim.RMSprop, {"alpha": 0.5, "momentum": 0.5}, 80),
    (optim.Adam, {}, 30),
    (optim.NAdam, {}, 1),
    (optim.NAdam, {"momentum_decay": 0.02, "eps": 1e-3}, 30),
    (optim.NAdam, {"betas": (0.7, 0.9)}, 400),
    (optim.Adafactor, {"lr": 1e-6}, 10),
    (HFAdafactor, {"relative_step": False, "scale_parameter": False, "beta1": 0.5}, 80),
    (Prodigy, {"lr": 1.0, "d_coef": 1e-9, "d0": LR}, 300),
]


@pytest.mark.parametrize(("make", "options", "updates"), STEADY)
def test_with_a_constant_gradient_the_rate_times_it_is_the_step(
    make: Any, options: Any, updates: int
) -> None:
    """Whatever mean is formed of equal gradients, it is that gradient: Δw = −r·g."""
    trial = Trial(make, constant=True, **({"lr": LR} | options)).run(updates)
    np.testing.assert_allclose(trial.rates(), trial.ratios(last), rtol=1e-5)


def test_weight_decay_is_not_part_of_it() -> None:
    """With AdamW, Δw = −r·ḡ − lr·λ·w; the rates are those without decay."""
    trial = Trial(optim.AdamW, lr=LR, weight_decay=0.1).run(12)
    expected = trial.ratios(averaged(0.9), decay=LR * 0.1)
    np.testing.assert_allclose(trial.rates(), expected, rtol=1e-5)


def test_tensors_and_single_precision_agree() -> None:
    """A learning rate that is a tensor, and weights in float32, give what the formula says."""
    plain = Trial(optim.Adam, lr=LR).run(9)
    tensor = Trial(optim.Adam, lr=torch.tensor(LR), foreach=False).run(9)
    np.testing.assert_allclose(tensor.rates(), plain.rates(), rtol=1e-6)
    weight = nn.Parameter(torch.ones(3))
    optimizer = optim.Adam([weight], lr=LR)
    weight.grad = torch.tensor([1e-3, 1.0, 5.0])
    optimizer.step()
    (group,) = effective_rate(optimizer).groups
    assert group.rates is not None
    assert group.rates.tolist() == pytest.approx([LR / 5, LR / 1, LR / 1e-3], rel=1e-4)


def test_complex_weights_count_as_two() -> None:
    """A complex weight has a rate for its real part and one for its imaginary part."""
    weight = nn.Parameter(torch.ones(3, dtype=torch.complex128))
    optimizer = optim.Adam([weight], lr=LR)
    weight.grad = torch.tensor([1 + 2j, 3 + 4j, 5 + 6j], dtype=torch.complex128)
    optimizer.step()
    (group,) = effective_rate(optimizer).groups
    assert group.rates is not None
    assert group.rates.tolist() == pytest.approx([LR / g for g in (6, 5, 4, 3, 2, 1)], rel=1e-5)


def test_before_the_first_update_there_is_none() -> None:
    """Only SGD's rate is known then; of the others nothing is, and reading gives NaN."""
    weight = nn.Parameter(torch.ones(3))
    for kind in (optim.Adam, optim.Adagrad, optim.RMSprop):
        row = effective_rate(kind([weight], lr=LR)).read([0.5])["0"]
        assert row["lr"] == LR
        assert math.isnan(row["50%"])
    assert effective_rate(optim.SGD([weight], lr=LR)).read([0.5]) == {"0": {"lr": LR, "50%": LR}}


def test_weights_without_updates_are_left_out() -> None:
    """A weight that never had a gradient has no rate, and is not counted."""
    used, frozen = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(50))
    optimizer = optim.Adam([used, frozen], lr=LR)
    used.grad = torch.ones(3)
    optimizer.step()
    assert effective_rate(optimizer).groups[0].elements == 3


def test_a_subclass_steps_as_its_base(tools: Any) -> None:
    """What is derived from a known optimizer has its formula, and a wrapper is looked into."""
    optimizer = tools.SGD([tools.parameter()], lr=LR)
    wrapped = type("Wrapper", (), {"optimizer": optimizer})()
    assert effective_rate(wrapped).optimizer == "RecordingSGD"


def test_what_is_not_known_is_refused() -> None:
    """Another optimizer is an error that names the known ones; so is what is none."""
    weight = nn.Parameter(torch.ones(3))
    with pytest.raises(rw.ScheduleError, match=r"how Adadelta steps: give one of Adafactor, .*SGD"):
        effective_rate(optim.Adadelta([weight]))
    with pytest.raises(rw.ScheduleError, match="needs an optimizer, got 3"):
        effective_rate(3)  # pyright: ignore
    with pytest.raises(rw.ScheduleError, match=r"sample=0.*in \[1"):
        effective_rate(optim.SGD([weight]), sample=0)
    with pytest.raises(rw.ScheduleError, match=r"every quantile in \[0, 1\], got 1.5"):
        effective_rate(optim.SGD([weight])).read([1.5])


def test_the_schedule_is_in_it() -> None:
    """Under a scheduler, the rate is that of the update just made."""
    weight = nn.Parameter(torch.ones(3))
    optimizer = optim.SGD([weight], lr=LR, momentum=0.5)
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=10)
    for t in range(10):
        optimizer.step()
        row = effective_rate(optimizer).read([0.5])["0"]
        assert row["50%"] == pytest.approx(2 * LR * (1 - t / 10), rel=1e-12)
    assert scheduler.committed == 10


def test_adafactor_does_not_hear_a_rate_above_its_own() -> None:
    """Its rate is min(lr, 1/√t): above that, the schedule changes nothing."""
    high, higher, low = (Trial(optim.Adafactor, lr=lr).run(20).rates() for lr in (1.0, 3.0, 0.1))
    assert high == higher
    assert max(low) < 0.9 * max(high)
