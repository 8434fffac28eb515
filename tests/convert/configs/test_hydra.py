"""A class that a Hydra config names gives the rates that the class itself gives when it is run."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.convert.reading import guess, read, read_source
from ratewise.schedule import Plan, Plateau, ScheduleError
from tests.convert.configs.instantiate import node, stepped
from tests.examples import examples

RATE = 3e-4
T = "torch.optim.lr_scheduler."
H = "transformers.get_"
LINE = node(f"{T}LinearLR", start_factor=0.1, total_iters=8)
WAVE = node(f"{T}CosineAnnealingLR", T_max=30, eta_min=1e-6)
NODES: dict[str, dict[str, Any]] = {
    "StepLR": node(f"{T}StepLR", step_size=7, gamma=0.5),
    "StepLR, gamma left out": node(f"{T}StepLR", step_size=7),
    "MultiStepLR": node(f"{T}MultiStepLR", milestones=[5, 20, 20, 31], gamma=0.3),
    "ConstantLR": node(f"{T}ConstantLR", factor=0.5, total_iters=9),
    "ConstantLR, all left out": node(f"{T}ConstantLR"),
    "LinearLR": LINE,
    "LinearLR, falling": node(f"{T}LinearLR", start_factor=1.0, end_factor=0.0, total_iters=25),
    "ExponentialLR": node(f"{T}ExponentialLR", gamma=0.93),
    "PolynomialLR": node(f"{T}PolynomialLR", total_iters=33, power=2.0),
    "CosineAnnealingLR, past its end": WAVE,
    "CosineAnnealingLR": node(f"{T}CosineAnnealingLR", T_max=60),
    "restarts": node(f"{T}CosineAnnealingWarmRestarts", T_0=7, T_mult=2, eta_min=1e-5),
    "CyclicLR": node(f"{T}CyclicLR", base_lr=1e-5, max_lr=1e-3, step_size_up=6, step_size_down=9),
    "CyclicLR, exp_range": node(
        f"{T}CyclicLR", base_lr=1e-5, max_lr=1e-3, step_size_up=6, mode="exp_range", gamma=0.97
    ),
    "CyclicLR, triangular2": node(
        f"{T}CyclicLR", base_lr=1e-5, max_lr=1e-3, step_size_up=5, mode="triangular2"
    ),
    "OneCycleLR": node(f"{T}OneCycleLR", max_lr=0.01, total_steps=60),
    "OneCycleLR, three phases": node(
        f"{T}OneCycleLR", max_lr=0.01, epochs=5, steps_per_epoch=12, three_phase=True,
        anneal_strategy="linear", pct_start=0.25,
    ),
    "SWALR": node("torch.optim.swa_utils.SWALR", swa_lr=1e-5, anneal_epochs=12),
    "SWALR, linear": node(
        "torch.optim.swa_utils.SWALR", swa_lr=1e-5, anneal_epochs=12, anneal_strategy="linear"
    ),
    "SequentialLR": node(f"{T}SequentialLR", schedulers=[LINE, WAVE], milestones=[8]),
    "SequentialLR of three": node(
        f"{T}SequentialLR",
        schedulers=[LINE, node(f"{T}ConstantLR", factor=1.0), node(f"{T}ExponentialLR", gamma=0.9)],
        milestones=[8, 30],
    ),
    "ChainedScheduler": node(
        f"{T}ChainedScheduler", schedulers=[LINE, node(f"{T}StepLR", step_size=20, gamma=0.1)]
    ),
    "constant": node(f"{H}constant_schedule"),
    "constant with warm-up": node(f"{H}constant_schedule_with_warmup", num_warmup_steps=9),
    "linear": node(f"{H}linear_schedule_with_warmup", num_warmup_steps=9, num_training_steps=50),
    "cosine": node(f"{H}cosine_schedule_with_warmup", num_warmup_steps=9, num_training_steps=60),
    "hard restarts": node(
        f"{H}cosine_with_hard_restarts_schedule_with_warmup",
        num_warmup_steps=6, num_training_steps=60, num_cycles=3,
    ),
    "polynomial": node(
        f"{H}polynomial_decay_schedule_with_warmup",
        num_warmup_steps=6, num_training_steps=50, lr_end=1e-5, power=2.0,
    ),
    "inverse square root": node(f"{H}inverse_sqrt_schedule", num_warmup_steps=6),
    "floor": node(
        f"{H}cosine_with_min_lr_schedule_with_warmup",
        num_warmup_steps=6, num_training_steps=60, min_lr=3e-5,
    ),
    "floor, from one": node(
        f"{H}cosine_with_min_lr_schedule_with_warmup_lr_rate",
        num_warmup_steps=6, num_training_steps=60, min_lr_rate=0.1, warmup_lr_rate=0.2,
    ),
    "stable": node(
        f"{H}wsd_schedule", num_warmup_steps=6, num_decay_steps=20, num_training_steps=60,
        decay_type="1-sqrt",
    ),
    "stable, told": node(
        f"{H}wsd_schedule", num_warmup_steps=6, num_decay_steps=20, num_stable_steps=10
    ),
    "get_scheduler": node(
        "transformers.optimization.get_scheduler", name="cosine_with_min_lr", num_warmup_steps=6,
        num_training_steps=60, scheduler_specific_kwargs={"min_lr_rate": 0.1},
    ),
}  # fmt: skip


def config(scheduler: Any, **beside: Any) -> dict[str, Any]:
    """A model's part of a config, as in lightning-hydra-template."""
    model = {
        "_target_": "src.models.mnist_module.MNISTLitModule",
        "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": RATE},
        "scheduler": scheduler,
        **beside,
    }
    return {"model": model, "trainer": {"_target_": "lightning.Trainer"}, "seed": 1}


def same(plan: Plan, expected: list[float], **told: Any) -> None:
    got = plan.rates(len(expected), **told)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", NODES)
def test_the_class_gives_the_same_rates_when_it_is_run(name: str) -> None:
    """Stepped once per update, at every update."""
    source = config(NODES[name], interval="step")
    assert guess(source).name == "hydra"
    same(read(source, total=60), stepped(NODES[name], RATE, 60))


@pytest.mark.parametrize("name", NODES)
def test_so_it_does_when_it_is_stepped_once_per_epoch(name: str) -> None:
    """The rate stays in an epoch; the last one is not whole."""
    plan = read(config(NODES[name], interval="epoch"), total=83, epoch=4)
    same(plan, stepped(NODES[name], RATE, 83, every=4))


@pytest.mark.parametrize("name", ["CyclicLR", "OneCycleLR", "OneCycleLR, three phases"])
def test_the_momentum_runs_against_the_rate(name: str) -> None:
    """As it does in PyTorch unless it is told not to."""
    plan = read(config(NODES[name], interval="step"), total=60)
    same(plan, stepped(NODES[name], RATE, 60, key="momentum"), key="momentum")
    still = {**NODES[name], "cycle_momentum": False}
    assert read(config(still, interval="step"), total=60).momentum is None


factors = st.floats(0.05, 1.0)
counts = st.integers(1, 40)
single = st.one_of(
    st.builds(lambda n, g: node(f"{T}StepLR", step_size=n, gamma=g), counts, factors),
    st.builds(
        lambda at, g: node(f"{T}MultiStepLR", milestones=at, gamma=g),
        st.lists(counts, max_size=4),
        factors,
    ),
    st.builds(lambda f, n: node(f"{T}ConstantLR", factor=f, total_iters=n), factors, counts),
    st.builds(
        lambda a, b, n: node(f"{T}LinearLR", start_factor=a, end_factor=b, total_iters=n),
        factors,
        factors,
        counts,
    ),
    st.builds(lambda g: node(f"{T}ExponentialLR", gamma=g), factors),
    st.builds(
        lambda n, p: node(f"{T}PolynomialLR", total_iters=n, power=p), counts, st.floats(0.3, 3)
    ),
    st.builds(
        lambda n, low: node(f"{T}CosineAnnealingLR", T_max=n, eta_min=low * RATE), counts, factors
    ),
    st.builds(
        lambda n, k, low: node(
            f"{T}CosineAnnealingWarmRestarts", T_0=n, T_mult=k, eta_min=low * RATE
        ),
        counts,
        st.integers(1, 3),
        factors,
    ),
)
several = st.builds(
    lambda inner, at: node(
        f"{T}SequentialLR", schedulers=inner, milestones=sorted(at)[: len(inner) - 1]
    ),
    st.lists(single, min_size=1, max_size=3),
    st.lists(counts, min_size=2, max_size=2, unique=True),
)
chains = st.builds(
    lambda inner: node(f"{T}ChainedScheduler", schedulers=inner),
    st.lists(single, min_size=1, max_size=3),
)


@settings(max_examples=examples(150))
@given(single | several | chains, st.sampled_from([1, 1, 3]))
def test_whatever_is_composed_is_right_or_refused(value: dict[str, Any], every: int) -> None:
    """A formula stands for all that the classes do together, or there is none."""
    interval = {"interval": "step"} if every == 1 else {"interval": "epoch"}
    try:
        plan = read(config(value, **interval), total=70, epoch=every)
    except ScheduleError:
        assert "schedulers" in value
        return
    expected = stepped(value, RATE, 70, every=every)
    np.testing.assert_allclose(plan.rates(70), expected, rtol=1e-9, atol=1e-9 * RATE)


def test_the_interval_is_stated_told_or_asked_for() -> None:
    """It is never guessed: the same file means something else with each."""
    plain = config(NODES["StepLR"])
    with pytest.raises(ScheduleError, match=r"once per update or once per epoch.*interval"):
        read(plain, total=60)
    same(read(plain, total=60, interval="step"), stepped(NODES["StepLR"], RATE, 60))
    same(
        read(plain, total=60, interval="epoch", epoch=3),
        stepped(NODES["StepLR"], RATE, 60, every=3),
    )
    nested = config(
        {"scheduler": NODES["StepLR"], "interval": "epoch", "frequency": 2, "name": "lr"}
    )
    same(read(nested, total=60, epoch=3), stepped(NODES["StepLR"], RATE, 60, every=6))


def test_a_run_ends_with_its_last_epoch_or_its_last_step() -> None:
    """Whichever comes first; a length that is stated needs no total."""
    source = config(NODES["StepLR"], interval="epoch")
    trainer = {"_target_": "lightning.Trainer", "max_epochs": 10}
    assert read_source({**source, "trainer": trainer}, epoch=4).total == 40
    steps = {**source, "trainer": {"max_steps": 50}}
    assert read_source(steps, epoch=4).total == 50
    both = read_source({**source, "trainer": {**trainer, "max_steps": 50}}, epoch=4)
    assert any("10 epochs, at update 40" in note for note in both.plan.notes)


def test_a_rate_that_is_told_counts_more() -> None:
    """It takes the place of the optimizer's own, floors stay where they are."""
    found = read(config(WAVE, interval="step"), total=60, lr=1e-3)
    same(found, stepped(WAVE, 1e-3, 60))
    assert any("lr=0.001 was given" in note for note in found.notes)


def test_a_scheduler_alone_has_levels_and_no_peak() -> None:
    """Unless its levels depend on the rate, which then has to be told."""
    assert read(NODES["StepLR"], interval="step").peak == {}
    same(read(WAVE, interval="step", lr=RATE, total=60), stepped(WAVE, RATE, 60))
    with pytest.raises(ScheduleError, match="absolute rates"):
        read(WAVE, interval="step")


def test_an_argument_that_the_code_gives_is_asked_for() -> None:
    """A length that only the trainer knows can be told by its name."""
    source = config(node(f"{H}cosine_schedule_with_warmup", num_warmup_steps=9), interval="step")
    with pytest.raises(ScheduleError, match="has no num_training_steps"):
        read(source, total=60)
    same(read(source, total=60, num_training_steps=60), stepped(NODES["cosine"], RATE, 60))


def test_a_plateau_listens_to_what_is_monitored() -> None:
    """PyTorch's counting, the floor a share of the rate; the metric has to be known."""
    source = config(node(f"{T}ReduceLROnPlateau", factor=0.5, patience=3, min_lr=3e-6))
    with pytest.raises(ScheduleError, match="metric"):
        read(source)
    found = read(source, metric="val/loss").lr
    assert isinstance(found, Plateau)
    assert (found.metric, found.factor, found.patience) == ("val/loss", 0.5, 3)
    assert found.floor == pytest.approx(0.01)


def test_our_own_schedules_are_named_too() -> None:
    """As a text, or as classes in classes; the optimizer's updates are the clock."""
    text = "Warmup(5) >> Cosine(to=0.1)"
    source = config({"_target_": "ratewise.torch.Scheduler", "schedule": text})
    assert read(source).lr == read(text).lr
    moves = [{"_target_": "ratewise.Warmup", "over": 5}, {"_target_": "ratewise.Cosine", "to": 0.1}]
    inner = {"_target_": "ratewise.Sequence", "moves": moves}
    source = config({"_target_": "ratewise.torch.Scheduler", "schedule": inner})
    assert read(source).lr == read(text).lr


TIMM = {
    "cosine": {"t_initial": 40, "lr_min": 1e-6, "warmup_t": 5, "warmup_lr_init": 1e-6},
    "cosine, cycles": {"t_initial": 7, "cycle_mul": 2.0, "cycle_decay": 0.5, "cycle_limit": 3},
    "step": {"decay_t": 9, "decay_rate": 0.5, "warmup_t": 4},
    "multi-step": {"decay_t": [9, 20], "decay_rate": 0.5},
    "poly": {"t_initial": 40, "power": 0.9, "lr_min": 1e-6},
    "tanh": {"t_initial": 40, "warmup_t": 4, "warmup_prefix": True},
    "stable": {"t_initial": 40, "decay_t": 10, "warmup_t": 5},
}
CLASSES = {
    "cosine": "CosineLRScheduler", "step": "StepLRScheduler", "multi-step": "MultiStepLRScheduler",
    "poly": "PolyLRScheduler", "tanh": "TanhLRScheduler", "stable": "WSDLRScheduler",
}  # fmt: skip


@pytest.mark.parametrize("is_epoch", [False, True])
@pytest.mark.parametrize("name", TIMM)
def test_schedulers_of_timm(name: str, is_epoch: bool) -> None:
    """As its own loop steps them: behind each epoch or update it tells the coming one."""
    from tests.convert.configs.instantiate import make, optimizer
    from tests.convert.oracles import _timm

    _timm("None")  # loads the package without the parts that are not there
    value = node(
        f"timm.scheduler.{CLASSES[name.split(',')[0]]}", t_in_epochs=is_epoch, **TIMM[name]
    )
    one = optimizer(RATE)
    scheduler = make(value, one)
    expected = []
    for t in range(60):
        expected.append(float(one.param_groups[0]["lr"]))
        if not is_epoch:
            scheduler.step_update(t + 1)
        elif (t + 1) % 3 == 0:
            scheduler.step((t + 1) // 3)
    same(read(config(value), total=60, epoch=3), expected)


PLAIN = NODES["StepLR"]
WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (node("src.optim.WarmupCosine", steps=3), {}, "model.scheduler names 'src.optim.WarmupCosine'"),
    (node("my.Thing"), {}, "model.scheduler names 'my.Thing'"),
    (node(f"{T}LambdaLR", lr_lambda="f"), {}, "whose function a config does not hold"),
    (node(f"{T}StepLR", step_size=7, gama=0.5), {}, "did you mean gamma"),
    (node(f"{T}StepLR"), {}, "has no step_size"),
    (node(f"{T}StepLR", step_size=0), {}, "step_size"),
    (node(f"{T}StepLR", step_size=3, last_epoch=5), {}, "last_epoch"),
    (node(f"{T}CyclicLR", base_lr=1, max_lr=2, scale_fn="f"), {}, "scale_fn"),
    (node(f"{T}CyclicLR", base_lr=1, max_lr=2, step_size_up=2.5), {}, "only by running it"),
    (node(f"{T}ConstantLR", factor=0.0), {}, "only by running it"),
    (node(f"{T}OneCycleLR", max_lr=0.1, total_steps=40), {}, "ends after 40 steps"),
    (node(f"{T}SequentialLR", schedulers=[LINE, WAVE], milestones=[]), {}, "0 milestones"),
    (node(f"{T}SequentialLR", schedulers=[LINE, 5], milestones=[2]), {}, "no scheduler of PyTorch"),
    (
        node(
            f"{T}SequentialLR",
            schedulers=[LINE, node(f"{T}ReduceLROnPlateau")],
            milestones=[2],
        ),
        {},
        "listens to a metric",
    ),
    (node(f"{T}ReduceLROnPlateau", patients=5), {"monitor": "loss"}, "did you mean patience"),
    (node(f"{T}StepLR", _args_=[5], step_size=5), {}, "without names"),
    (node(f"{H}linear_schedule_with_warmup", num_warmup_steps=0.1), {}, "num_warmup_steps"),
    (node(f"{H}adafactor_schedule"), {}, "not known"),
    (PLAIN, {"interval": "batch"}, "interval"),
    (PLAIN, {"frequency": 2}, "every 2 batches"),
    (PLAIN, {"frequncy": 2}, "did you mean frequency"),
    (PLAIN, {"warmup_steps": 100}, "model.warmup_steps"),
    (PLAIN, {"lr_decay": 0.5}, "model.lr_decay"),
    (PLAIN, {"second": node(f"{T}StepLR", step_size=1)}, "schedulers at model.scheduler and"),
    (PLAIN, {"swa": node("lightning.StochasticWeightAveraging")}, "StochasticWeightAveraging"),
    (PLAIN, {"optimizer_d": node("torch.optim.SGD", lr=1)}, "model.optimizer_d.lr=1"),
    (PLAIN, {"optimizer": {"_target_": "a.B", "lr": 1, "warmup_steps": 5}}, "warmup_steps"),
    (PLAIN, {"optimizer": {"_target_": "a.B", "lr": "fast"}}, "lr"),
    (PLAIN, {"optimizer": {"_target_": "a.B", "lr": 1, "params": [{"lr": 2}]}}, "groups"),
    (PLAIN, {"backbone_lr": 1e-5}, "model.backbone_lr"),
    (PLAIN, {"lr_scheduler": "cosine"}, "model.lr_scheduler and no class"),
    (PLAIN, {"training_schedule": {"epochs": 3}}, "model.training_schedule"),
    ({"_target_": "ratewise.torch.Scheduler", "schedul": "Hold()"}, {}, "did you mean schedule"),
    ({"_target_": "ratewise.torch.Scheduler"}, {}, "has no schedule"),
]


@pytest.mark.parametrize(("scheduler", "beside", "message"), WRONG, ids=[m for *_, m in WRONG])
def test_what_cannot_be_said_is_refused(scheduler: Any, beside: Any, message: str) -> None:
    """By the name of the class or the key that it is about."""
    with pytest.raises(ScheduleError) as caught:
        read(config(scheduler, **{"interval": "step", **beside}), format="hydra", total=60)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "beside",
    [
        {"weight_decay": 0.1, "ema_decay": 0.9, "use_scheduler": False, "warmup_steps": None},
        {"noise_scheduler": {"_target_": "diffusers.DDPMScheduler", "num_train_timesteps": 10}},
        {"lr_monitor": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}},
    ],
)
def test_what_is_no_schedule_of_the_rate_is_left_alone(beside: dict[str, Any]) -> None:
    """Averages, noise and monitors have words in common with schedules."""
    source = config(NODES["StepLR"], interval="step", **beside)
    same(read(source, total=60), stepped(NODES["StepLR"], RATE, 60))


def test_nothing_is_imported_because_a_file_says_so() -> None:
    """A module that a file names is not looked for."""
    name = "antigravity"
    with pytest.raises(ScheduleError, match=name):
        read(config(node(f"{name}.StepLR", step_size=1)), format="hydra")
    assert name not in sys.modules
