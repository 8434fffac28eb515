"""A name that people know reaches the trainers, or is refused with what to write."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.schedule import Plan, ScheduleError, from_dict
from ratewise.schedule.familiar import NAMES, read_named
from ratewise.schedule.foreign import namesakes

os.environ.setdefault("KERAS_BACKEND", "jax")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOTAL, WARMUP, LR = 20, 4, 0.1
ENOUGH: dict[str, Any] = {
    "warmup": WARMUP, "to": 0.1, "power": 2.0, "num_cycles": 1, "decay": 6, "metric": "loss",
}  # fmt: skip
"""What settles each thing that a name may leave open."""


WITHOUT = {
    "constant", "get_constant_schedule", "greedy", "one_cycle", "onecycle", "plateau",
    "reduce_lr_on_plateau", "get_reduce_on_plateau_schedule",
}  # fmt: skip
"""Names of what has no warm-up."""


def read(name: Any, **options: Any) -> Any:
    return read_named("attach", name, "", options)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_read_or_says_what_is_missing(name: str) -> None:
    """Alone it is a schedule, or is refused; with what the refusal asks for, it is one.

    No name lets a warm-up fall under the table: it begins with it, or refuses it.
    """
    asks = namesakes(name)[0].asks.split()
    if asks:
        with pytest.raises(ScheduleError) as caught:
            read(name)
        assert all(f"{key}=…" in caught.value.fix for key in asks)
        assert "write " in caught.value.fix
    value, left = read(name, **{key: ENOUGH[key] for key in asks})
    assert isinstance(value, rw.Schedule | Plan)
    assert not left
    warmed = {key: ENOUGH[key] for key in {*asks, "warmup"}}
    if name in WITHOUT:
        with pytest.raises(ScheduleError, match="has no warm-up"):
            read(name, **warmed)
        return
    value = read(name, **warmed)[0]
    levels = (value.lr if isinstance(value, Plan) else value).resolve(TOTAL).values()
    levels = levels / levels.max()  # of a name that says its rate as well
    assert np.all(np.diff(levels[: WARMUP + 1]) > 0)
    assert levels[WARMUP] == 1


NATIVE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "linear": ({}, {}),
    "constant_with_warmup": ({}, {}),
    "cosine": ({}, {}),
    "cosine_with_restarts": ({"num_cycles": 1}, {"num_cycles": 1}),
    "cosine_with_min_lr": ({"to": 0.1}, {"min_lr_rate": 0.1}),
    "inverse_sqrt": ({}, {}),
    "polynomial": ({"power": 2.0, "to": 0.1}, {"power": 2.0, "lr_end": 0.1 * LR}),
    "warmup_stable_decay": ({"decay": 6, "to": 0.1}, {"num_decay_steps": 6, "min_lr_ratio": 0.1}),
}


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("warmup", [0, WARMUP])
def test_the_rates_are_those_that_the_name_has_in_transformers(name: str, warmup: int) -> None:
    """Behind the warm-up, which here wastes no update at rate 0, every rate is theirs."""
    if not warmup and name in ("constant_with_warmup", "inverse_sqrt"):
        pytest.skip("the name asks for a warm-up")
    ours, theirs = NATIVE[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    native = transformers.get_scheduler(
        name, optimizer, num_warmup_steps=warmup, num_training_steps=TOTAL,
        scheduler_specific_kwargs=theirs,
    )  # fmt: skip
    wanted = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is stepped alone
        for _ in range(TOTAL):
            wanted.append(optimizer.param_groups[0]["lr"])
            native.step()
    kind = transformers.SchedulerType(name)
    value, _ = read(kind, **({"warmup": warmup} if warmup else {}), **ours)
    rates = LR * value.resolve(TOTAL).values()
    np.testing.assert_allclose(rates[warmup:], wanted[warmup:], rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(
        rates[:warmup], [LR * (t + 1) / (warmup + 1) for t in range(warmup)], rtol=1e-12
    )


def test_every_type_of_transformers_is_known() -> None:
    """Whatever `lr_scheduler_type` takes in this version has its place in the table."""
    assert {kind.value for kind in transformers.SchedulerType} <= {*NAMES}


def test_no_warm_up_is_a_length_as_well() -> None:
    """`warmup=0` is none, also where the name has one."""
    assert read("cosine", warmup=0) == (rw.Cosine(to=0), {})
    assert read("constant_with_warmup", warmup=0) == read("constant", warmup=0) == (rw.Hold(), {})


REFUSED = [
    ("cosin", {}, "did you mean cosine"),
    ("step", {}, "write Step(0.1, every=1000)"),
    ("Cosine", {}, "write Cosine(to=0)"),
    ("StepLR", {"step_size": 30}, "write Step(0.1, every=30)"),
    ("CosineAnnealingLR", {"T_max": 9}, "write Cosine(to=0, over=9)"),
    ("constant", {"warmup": "3%"}, 'write Warmup("3%") >> Hold()'),
    ("one_cycle", {"warmup": 5}, "leave it out"),
    ("wsd", {"warmup": "3%"}, "give decay=…"),
    ("cosine_with_restarts", {"num_cycles": 3, "warmup": 10}, "every=updates left / n"),
    ("cosine_with_min_lr", {"min_lr": 1e-5}, "to = 1e-05 / lr"),
    ("Cosine(to=0)", {"warmup": "3%"}, "write Warmup('3%') >> Cosine(to=0)"),
    (rw.Linear(to=0), {"warmup": 5}, "write Warmup(5) >> Linear(to=0)"),
    ("cosine", {"warmup": 5, "warmup_ratio": 0.1}, "got warmup and warmup_ratio: give one of them"),
    ("cosine_with_min_lr", {"to": 0.1, "min_lr_rate": 0.1}, "give one of them"),
    ("cosine", {"warmup": -1}, "give an int of 0 or more"),
    (3, {}, "write Cosine(to=0)"),
]


@pytest.mark.parametrize(("name", "options", "told"), REFUSED)
def test_what_is_refused_says_what_to_write(name: Any, options: Any, told: str) -> None:
    """What is no name, means several things, or has a length of its own."""
    with pytest.raises(ScheduleError) as caught:
        read_named("attach", name, "write Cosine(to=0)", options)
    assert told in str(caught.value)


def _torch(name: str, **options: Any) -> Any:
    from ratewise.torch import Scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    Scheduler(optimizer, name, total=TOTAL, **options)
    rates = []
    optimizer.register_step_post_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    for _ in range(TOTAL):
        optimizer.step()
    return rates


def _keras(name: str, **options: Any) -> Any:
    from ratewise.keras import LearningRate

    return [LearningRate(name, LR, total=TOTAL, **options)(t) for t in range(TOTAL)]


def _keras_callback(name: str, **options: Any) -> Any:
    from ratewise.keras import Callback

    return Callback(name, lr=LR, **options).plan.lr.resolve(TOTAL).values() * LR


def _optax(name: str, **options: Any) -> Any:
    from ratewise.optax import schedule

    return schedule(name, LR, total=TOTAL, **options)(np.arange(TOTAL))


def _lightning(name: str, **options: Any) -> Any:
    from ratewise.lightning import attach

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    config = attach([optimizer], [name], total=TOTAL, **options)
    return _stepped(optimizer, config[0]["lr_scheduler"]["scheduler"])


def _stepped(optimizer: Any, scheduler: Any) -> Any:
    rates = []
    for _ in range(TOTAL):
        optimizer.step()
        rates.append(scheduler.get_last_lr()[0])
    return rates


def _attach(name: str, **options: Any) -> Any:
    from ratewise.transformers import attach

    folder = options.pop("folder")
    arguments = transformers.TrainingArguments(str(folder), report_to=[], use_cpu=True)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    model = torch.nn.Linear(1, 1)
    trainer = attach(
        transformers.Trainer(model, arguments, train_dataset=[1], optimizers=(optimizer, None)),
        name,
        **options,
    )
    return _stepped(optimizer, trainer.create_scheduler(TOTAL))


FACES = {
    "torch": _torch, "keras": _keras, "callback": _keras_callback, "optax": _optax,
    "lightning": _lightning, "transformers": _attach,
}  # fmt: skip


@pytest.mark.parametrize("face", FACES)
def test_a_name_reaches_every_trainer(face: str, tmp_path: Path) -> None:
    """The same rates everywhere, its options beside it; a slip is heard, with the nearest name."""
    for needed in ("keras", "jax") if face in ("keras", "callback") else ():
        pytest.importorskip(needed)
    pytest.importorskip({"callback": "keras", "optax": "optax"}.get(face, face))
    more = {"folder": tmp_path} if face == "transformers" else {}
    wanted = LR * rw.parse("Warmup('20%') >> Cosine(to=0.1)").resolve(TOTAL).values()
    found = FACES[face]("cosine", warmup="20%", to=0.1, **more)
    np.testing.assert_allclose(found, wanted, rtol=1e-15)
    with pytest.raises(ScheduleError, match=r"did you mean cosine\."):
        FACES[face]("cosin", warmup="20%", **more)
    with pytest.raises(ScheduleError, match="warmpu=5"):
        FACES[face]("cosine", warmpu=5, **more)
    with pytest.raises(ScheduleError, match="write Warmup"):
        FACES[face]("Cosine(to=0)", warmup=5, **more)


def test_the_text_of_a_schedule_is_taken_wherever_a_schedule_is() -> None:
    """In the fields and groups of a plan, in compositions, in dict forms; a slip says where."""
    text, value = "Warmup(5) >> Cosine(to=0)", rw.Warmup(5) >> rw.Cosine(to=0)
    plan = Plan(lr=text, weight_decay="Hold()", keys={"eps": text}, groups={"head": text})
    same = Plan(
        lr=value, weight_decay=rw.Hold(), keys={"eps": value}, groups={"head": Plan(lr=value)}
    )
    assert plan == same
    assert rw.parse(repr(plan)) == from_dict(plan.to_dict()) == same
    assert from_dict({"type": "Plan", "lr": text}) == Plan(lr=value)
    assert rw.parse(f"Plan(lr={text!r})") == Plan(lr=value)
    assert Plan(groups={"a": f"Plan(momentum={text!r})"}).groups["a"] == Plan(momentum=value)
    written: Any = text
    assert rw.Repeat(written, every=9) == rw.Repeat(value, every=9)
    assert rw.SWA(written, at=9, level=0.1) == rw.SWA(value, at=9, level=0.1)
    for make, where in (
        (lambda: Plan(lr="Cosin(to=0)"), "Plan(lr=…): parse('Cosin')"),
        (lambda: Plan(lr="cosine"), "write Cosine(to=0)"),
        (lambda: Plan(groups={"head": "Cosin()"}), "Plan(groups={'head': …}): parse('Cosin')"),
        (lambda: Plan(keys={"eps": "1 +"}), "Plan(keys={'eps': …}): parse("),
        (lambda: Plan(lr="OneCycle()"), "Plan(lr=…) needs a schedule, got Plan("),
        (lambda: rw.Repeat("Cosin()"), "Repeat: parse('Cosin')"),  # pyright: ignore
    ):
        with pytest.raises(ScheduleError) as caught:
            make()
        assert where in str(caught.value)


FILE = """
trainer:
  max_steps: 20
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: ratewise.lightning.Attach
      init_args: {init_args}
"""
GIVEN = {
    "a name": "{schedule: cosine, warmup: 20%}",
    "what it takes": "{schedule: polynomial, warmup: 20%}\n      dict_kwargs: {power: 2, to: 0.1}",
    "a plan": "{schedule: {class_path: ratewise.Plan, init_args: "
    "{lr: \"Warmup('20%') >> Cosine(to=0)\", groups: {'0': \"Warmup('20%') >> Cosine(to=0)\"}}}}",
}


@pytest.mark.parametrize("given", GIVEN)
def test_a_name_or_a_plan_of_texts_in_a_file_of_lightning(given: str, tmp_path: Path) -> None:
    """No line of Python: `class_path: ratewise.Plan` holds texts, and a name has its warm-up."""
    pl = pytest.importorskip("lightning.pytorch")
    pytest.importorskip("jsonargparse")
    from lightning.pytorch.cli import LightningCLI

    from tests.lightning.test_cli import Watched

    file = tmp_path / "config.yaml"
    file.write_text(FILE.replace("{init_args}", GIVEN[given]), encoding="utf-8")
    saved: Any = {"save_config_callback": None, "seed_everything_default": False}
    cli = LightningCLI(Watched, args=["--config", str(file)], run=False, **saved)
    assert isinstance(cli.trainer, pl.Trainer)
    cli.trainer.fit(cli.model, torch.utils.data.DataLoader(torch.ones(80, 3), batch_size=4))
    falls = "Polynomial(to=0.1, power=2)" if "power" in GIVEN[given] else "Cosine(to=0)"
    wanted = LR * rw.parse(f"Warmup('20%') >> {falls}").resolve(TOTAL).values()
    np.testing.assert_array_equal(cli.model.rates, wanted)


def test_hydra_makes_a_plan_of_texts() -> None:
    """`_target_: ratewise.Plan` with a text in each field, whatever `_convert_` is."""
    hydra = pytest.importorskip("hydra.utils")
    config = {"_target_": "ratewise.Plan", "lr": "Warmup(5) >> Cosine(to=0)",
              "groups": {"head": "Hold()"}}  # fmt: skip
    wanted = Plan(lr=rw.Warmup(5) >> rw.Cosine(to=0), groups={"head": rw.Hold()})
    for convert in ("none", "partial", "object", "all"):
        assert hydra.instantiate({**config, "_convert_": convert}) == wanted
