"""What the Trainer logs beside an update, as with a scheduler of PyTorch in the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import ratewise as rw
from ratewise.torch import Scheduler
from ratewise.transformers import attach
from tests.events import scalars
from tests.transformers import tiny

PLAN = rw.Warmup(3) >> rw.Cosine(to=0.1)
CASES = {
    "every update": {"max_steps": 7},
    "every third": {"max_steps": 7, "logging_steps": 3},
    "a share of the run": {"max_steps": 8, "logging_steps": 0.25},
    "the first too": {"max_steps": 7, "logging_steps": 3, "logging_first_step": True},
    "accumulation": {"num_train_epochs": 3, "gradient_accumulation_steps": 3},
    "a short last window": {"num_train_epochs": 3, "gradient_accumulation_steps": 4},
    "every epoch": {"num_train_epochs": 2, "logging_strategy": "epoch"},
}


class Start(transformers.TrainerCallback):
    """Notes what the groups hold before an update and behind it."""

    def __init__(self) -> None:
        self.held: list[tuple[str, list[float]]] = []

    def on_step_begin(self, *args: Any, optimizer: Any, **parts: Any) -> None:
        self.held.append(("begin", [group["lr"] for group in optimizer.param_groups]))

    def on_optimizer_step(self, *args: Any, optimizer: Any, **parts: Any) -> None:
        self.held.append(("update", [group["lr"] for group in optimizer.param_groups]))

    def on_step_end(self, *args: Any, optimizer: Any, **parts: Any) -> None:
        self.held.append(("end", [group["lr"] for group in optimizer.param_groups]))


def build(folder: Path, plan: Any, native: bool, **options: Any) -> tuple[Any, Any]:
    """A trainer that follows a plan, by us or by a `LambdaLR` of the same levels."""
    start = Start()
    chosen = {"per_device_train_batch_size": 4, "callbacks": [start], **options}
    trainer = tiny.make(folder, **chosen)
    if not native:
        return attach(trainer, plan), start

    def create_scheduler(num_training_steps: int, optimizer: Any = None) -> Any:
        run = plan.resolve(num_training_steps)
        found = [*run.values().tolist(), run.end]
        made = optimizer if optimizer is not None else trainer.optimizer
        trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(made, found.__getitem__)
        return trainer.lr_scheduler

    trainer.create_scheduler = create_scheduler
    return trainer, start


def rates(trainer: Any) -> list[tuple[int, float]]:
    rows = trainer.state.log_history
    return [(row["step"], row["learning_rate"]) for row in rows if "learning_rate" in row]


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_the_log_is_that_of_the_native_scheduler(options: Any, tmp_path: Path) -> None:
    """The same rows at the same steps, the last one too: the rate that the update has used.

    The groups hold before the update, behind it and behind the step what they do natively.
    """
    (mine, start), (theirs, other) = (
        build(tmp_path / str(native), PLAN, native, **options) for native in (False, True)
    )
    mine.train()
    theirs.train()
    assert rates(mine) == rates(theirs) == [(k, tiny.used(mine)[k - 1]) for k, _ in rates(mine)]
    assert len(rates(mine)) > 1
    assert tiny.innermost(mine).used == tiny.innermost(theirs).used
    assert start.held == other.held


@pytest.mark.parametrize("case", ["every third", "accumulation", "every epoch"])
def test_every_group_is_logged(case: str, tmp_path: Path) -> None:
    """By its place where it has no name; each line has the rates of its update."""
    trainer, _ = build(tmp_path, PLAN, False, **CASES[case])
    trainer.train()
    rows = [row for row in trainer.state.log_history if "learning_rate" in row]
    found = [[row["learning_rate/0"], row["learning_rate/1"]] for row in rows]
    assert found == [tiny.innermost(trainer).used[row["step"] - 1] for row in rows]
    assert [row["learning_rate"] for row in rows] == [first for first, _ in found]


def groups(body: Any, names: Any, factor: float) -> Any:
    """An optimizer with a group for the head and one for the rest."""
    head = list(body.classifier.parameters())
    rest = [p for n, p in body.named_parameters() if not n.startswith("classifier")]
    parts: Any = [{"params": rest}, {"params": head, "lr": tiny.LR * factor}]
    for part, name in zip(parts, names, strict=True):
        part.update({} if name is None else {"name": name})
    return tiny.Recorder(parts, lr=tiny.LR)


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("body", "head"), ["body", "head"]),
        ((None, "head"), ["0", "head"]),
        (("same", "same"), ["0", "1"]),
    ],
)
def test_a_group_is_logged_under_its_name(names: Any, keys: list[str], tmp_path: Path) -> None:
    """Where a name is that of one group only."""
    body = tiny.model()
    made = groups(body, names, 10)
    options = {"kind": transformers.Trainer, "model": body, "optimizers": (made, None)}
    attach(trainer := tiny.make(tmp_path, max_steps=4, **options), PLAN).train()
    rows = [row for row in trainer.state.log_history if "learning_rate" in row]
    assert [[row[f"learning_rate/{key}"] for key in keys] for row in rows] == made.used


def test_a_group_with_a_schedule_of_its_own_is_logged(tmp_path: Path) -> None:
    """Also where it starts at the same rate as the others."""
    body = tiny.model()
    made = groups(body, ("body", "head"), 1)
    options = {"kind": transformers.Trainer, "model": body, "optimizers": (made, None)}
    plan = rw.Plan(lr=rw.Hold(), groups={"head": rw.Linear(to=0)})
    attach(trainer := tiny.make(tmp_path, max_steps=4, **options), plan).train()
    rows = [row for row in trainer.state.log_history if "learning_rate" in row]
    found = [[row["learning_rate/body"], row["learning_rate/head"]] for row in rows]
    assert found == made.used
    assert found[0][0] == found[0][1] > found[1][1]


def test_groups_that_share_a_rate_are_logged_once(tmp_path: Path) -> None:
    """The trainer's own two, which differ in their decay alone, have one rate and one key."""
    trainer = tiny.make(tmp_path, kind=transformers.Trainer, max_steps=4, weight_decay=0.1)
    attach(trainer, PLAN).train()
    rows = [row for row in trainer.state.log_history if "learning_rate" in row]
    assert len(tiny.innermost(trainer).param_groups) == 2
    assert [[key for key in row if "rate" in key] for row in rows] == [["learning_rate"]] * 4


def test_what_is_logged_goes_on_behind_a_resume(tmp_path: Path) -> None:
    """In `trainer_state.json` too: one row for each update of the whole run, in each group."""
    options = {"max_steps": 8, "save_strategy": "steps", "save_steps": 3}
    stopped = {"callbacks": [tiny.At(3, tiny.stop)]}
    first, _ = build(tmp_path, PLAN, False, **options, **stopped)
    first.train()
    trainer, start = build(tmp_path, PLAN, False, **options)
    trainer.train(resume_from_checkpoint=True)
    trainer.state.save_to_json(str(tmp_path / "state.json"))
    rows = [
        row
        for row in json.loads((tmp_path / "state.json").read_text())["log_history"]
        if "learning_rate" in row
    ]
    used = tiny.innermost(first).used + tiny.innermost(trainer).used
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert [[row["learning_rate/0"], row["learning_rate/1"]] for row in rows] == used
    assert [rate for at, rate in start.held if at == "begin"] == used[3:]


def test_a_subclass_that_logs_in_its_own_way_still_does(tmp_path: Path) -> None:
    """Its `log` is called once for each line, and finds the rates of the groups."""

    class Logging(tiny.Tiny):
        seen: list[Any] = []  # noqa: RUF012

        def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
            self.seen.append(dict(logs))
            super().log({**logs, "mine": 1.0}, *args, **kwargs)

    attach(trainer := tiny.make(tmp_path, kind=Logging, max_steps=4), PLAN).train()
    seen = [row["learning_rate/1"] for row in Logging.seen if "learning_rate" in row]
    assert seen == tiny.used(trainer, 1)
    assert sum("mine" in row for row in trainer.state.log_history) == len(Logging.seen)


def test_tensorboard_has_every_group(tmp_path: Path) -> None:
    """What the Trainer's own callback writes for TensorBoard, read from its file."""
    pytest.importorskip("tensorboardX")
    trainer, _ = build(tmp_path, PLAN, False, max_steps=5, report_to=["tensorboard"])
    trainer.train()
    found = scalars(tmp_path)
    for i in range(2):
        wanted = torch.tensor(tiny.used(trainer, i), dtype=torch.float32).tolist()
        assert found[f"train/learning_rate/{i}"] == list(enumerate(wanted, 1))


def test_the_scheduler_knows_what_was_used(tmp_path: Path) -> None:
    """`get_last_lr` in a callback behind the step is the rate of the update that was made."""
    seen: list[Any] = []

    class Read(transformers.TrainerCallback):
        def on_step_end(self, *args: Any, lr_scheduler: Any, **parts: Any) -> None:
            seen.append(lr_scheduler.get_last_lr())

    trainer, _ = build(tmp_path, PLAN, False, max_steps=5, callbacks=[Read()])
    trainer.train()
    assert seen == tiny.innermost(trainer).used
    assert isinstance(trainer.lr_scheduler, Scheduler)


class Hand(transformers.TrainerCallback):
    """Sets a rate behind the third update, as a callback of somebody's own."""

    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        if state.global_step == 3:
            parts["optimizer"].param_groups[1]["lr"] = 0.5


@pytest.mark.parametrize("policy", ["warn", "follow", "refuse"])
def test_a_rate_set_by_a_callback_meets_the_policy(policy: str, tmp_path: Path) -> None:
    """`attach(by_hand=…)` is that of `Scheduler`; what is logged is what was used."""
    trainer = tiny.make(tmp_path, max_steps=6, callbacks=[Hand()])
    attach(trainer, rw.Linear(to=0), by_hand=policy)
    found = r"lr=0.5 in group 1 at update 3, set by somebody else"
    if policy == "refuse":
        with pytest.raises(rw.ScheduleError, match=found):
            trainer.train()
        return
    if policy == "warn":
        with pytest.warns(UserWarning, match=found):
            trainer.train()
    else:
        trainer.train()
    wanted = tiny.rates(rw.Linear(to=0), 6, tiny.LR / 10)
    wanted[3:] = [0.5, 1 / 3, 1 / 6] if policy == "follow" else wanted[3:]
    assert tiny.used(trainer, 1) == pytest.approx(wanted, rel=1e-12)
    assert tiny.logged(trainer, "learning_rate/1") == tiny.used(trainer, 1)
