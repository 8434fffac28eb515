"""The rates that a Trainer's updates use, under all the ways in which it counts."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

import ratewise as rw
from ratewise.torch import Scheduler
from ratewise.transformers import attach
from tests import warm
from tests.transformers import ranks, tiny

PLAN = rw.Warmup("25%") >> rw.Cosine(to=0.1)
CASES = {
    "max_steps": ({"max_steps": 7}, 7),
    "epochs": ({"num_train_epochs": 2}, 12),
    "part of an epoch": ({"num_train_epochs": 1.5}, 9),
    "accumulation": ({"num_train_epochs": 2, "gradient_accumulation_steps": 3}, 4),
    "partial last window": ({"num_train_epochs": 3, "gradient_accumulation_steps": 4}, 6),
    "one window": ({"num_train_epochs": 4, "gradient_accumulation_steps": 9}, 4),
    "max_steps over epochs": ({"max_steps": 8, "gradient_accumulation_steps": 4}, 8),
}


@pytest.mark.parametrize(("options", "total"), CASES.values(), ids=CASES)
def test_updates_use_the_schedule(options: Any, total: int, tmp_path: Any) -> None:
    """Every update uses lr·f(t) and logs it, in both groups; the run ends where f ends."""
    trainer = attach(tiny.make(tmp_path, per_device_train_batch_size=4, **options), PLAN)
    trainer.train()
    assert tiny.used(trainer) == tiny.logged(trainer) == tiny.rates(PLAN, total)
    assert tiny.used(trainer, 1) == tiny.rates(PLAN, total, tiny.LR / 10)
    assert isinstance(trainer.lr_scheduler, Scheduler)
    assert trainer.lr_scheduler.committed == trainer.state.global_step == total


@pytest.mark.parametrize("window", [1, 3])
def test_a_stream_runs_to_max_steps(window: int, tmp_path: Any) -> None:
    """Data without a length is run through again and again; shares are of max_steps."""
    options = {"max_steps": 7, "gradient_accumulation_steps": window}
    trainer = tiny.make(tmp_path, data=tiny.Stream(20), per_device_train_batch_size=4, **options)
    attach(trainer, PLAN).train()
    assert tiny.used(trainer) == tiny.rates(PLAN, 7)


def test_units_come_from_the_trainer(tmp_path: Any) -> None:
    """An epoch is its updates with the partial window; a sample is one of batch × window."""
    plan = rw.Warmup("1 epoch") >> rw.Hold(over="16 samples") >> rw.Linear(to=0)
    options = {"gradient_accumulation_steps": 4, "num_train_epochs": 4}
    trainer = attach(tiny.make(tmp_path, per_device_train_batch_size=4, **options), plan)
    trainer.train()
    assert tiny.used(trainer) == tiny.rates(plan, 8, epoch=2, samples=16)


class Packed(transformers.TrainingArguments):
    """Arguments as of a trainer that packs rows full."""

    packing = True
    max_length = 3


def test_packed_rows_know_their_tokens(tmp_path: Any) -> None:
    """Where rows are packed to a length, a length in tokens needs nothing more."""
    plan = rw.Warmup("48 tokens") >> rw.Linear(to=0)
    trainer = tiny.make(tmp_path, per_device_train_batch_size=4, max_steps=9, kind=tiny.Tiny)
    trainer.args.__class__ = Packed
    attach(trainer, plan).train()
    assert tiny.used(trainer) == tiny.rates(plan, 9, tokens=12)


def test_what_is_given_counts_before_what_is_known(tmp_path: Any) -> None:
    """total, epoch, samples and tokens overrule the trainer's; past the end the rate holds."""
    plan = rw.Warmup("40 tokens") >> rw.Linear(to=0.5)
    trainer = tiny.make(tmp_path, per_device_train_batch_size=4, max_steps=9)
    attach(trainer, plan, total="60 tokens", tokens=10).train()
    assert tiny.used(trainer) == (tiny.rates(plan, 6, tokens=10) + [tiny.LR * 0.5] * 3)


def test_a_unit_that_nobody_knows_is_refused_with_its_name(tmp_path: Any) -> None:
    """A length in tokens without packing, or in epochs of a stream, asks for what is missing."""
    trainer = attach(tiny.make(tmp_path, max_steps=9), rw.Warmup("40 tokens") >> rw.Linear(to=0))
    with pytest.raises(rw.ScheduleError, match="tokens"):
        trainer.train()
    stream = tiny.make(tmp_path, data=tiny.Stream(20), max_steps=9)
    with pytest.raises(rw.ScheduleError, match="epoch"):
        attach(stream, rw.Warmup("1 epoch") >> rw.Linear(to=0)).train()


class Memory:
    """Runs out of memory at the given calls, as CUDA says it."""

    def __init__(self, trainer: Any, calls: set[int]) -> None:
        self.inner, self.calls, self.count = trainer.training_step, calls, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        if self.count in self.calls:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.inner(*args, **kwargs)


@pytest.mark.parametrize("calls", [{1}, {4}, {2, 7}], ids=["first", "fourth", "twice"])
def test_a_batch_that_shrinks_gets_a_horizon_of_its_own(calls: set[int], tmp_path: Any) -> None:
    """After an overflow of memory the run starts at f(0), and f ends on its last update."""
    plan = rw.Warmup("1 epoch") >> rw.Cosine(to=0)
    options = {"num_train_epochs": 2, "auto_find_batch_size": True}
    trainer = attach(tiny.make(tmp_path, n=60, per_device_train_batch_size=12, **options), plan)
    trainer.training_step = Memory(trainer, calls)
    trainer.train()
    size = trainer.state.train_batch_size
    assert size < 12
    epoch = math.ceil(60 / size)
    whole = tiny.rates(plan, 2 * epoch, epoch=epoch)
    assert tiny.used(trainer)[-2 * epoch :] == whole

    assert trainer.lr_scheduler.committed == trainer.state.max_steps == 2 * epoch


def test_a_plan_of_momentum_and_decay_starts_again_whole(tmp_path: Any) -> None:
    """When a run is built again, every key that was scheduled is first put back."""
    plan = rw.Plan(lr=PLAN, momentum=rw.Linear(to=0.5), weight_decay=rw.Linear(to=0))
    trainer = attach(tiny.make(tmp_path, n=16, per_device_train_batch_size=4), plan)
    trainer.args.num_train_epochs = 1
    for _ in range(2):
        trainer.train()
        groups = tiny.innermost(trainer).param_groups
        fall = rw.Linear(to=0.5).resolve(total=4).values()
        assert groups[0]["betas"] == (0.9 * fall[-1], 0.999)
        assert groups[0]["weight_decay"] == 1e-2 * rw.Linear(to=0).resolve(total=4).values()[-1]
    assert tiny.used(trainer) == tiny.rates(PLAN, 4) * 2


def test_train_may_be_called_again_with_another_horizon(tmp_path: Any) -> None:
    """A second `train()` follows the schedule from its start, over the updates it then has."""
    trainer = attach(tiny.make(tmp_path, per_device_train_batch_size=4, max_steps=5), PLAN)
    trainer.train()
    trainer.args.max_steps = 9
    trainer.train()
    assert tiny.used(trainer) == tiny.rates(PLAN, 5) + tiny.rates(PLAN, 9)


def test_models_made_anew_are_followed(tmp_path: Any) -> None:
    """With `model_init` each run has its own model and optimizer, and the same schedule."""
    trainer = tiny.make(tmp_path, model_init=lambda: tiny.model(), max_steps=4)
    attach(trainer, PLAN)
    for _ in range(2):
        trainer.train()
        assert tiny.used(trainer) == tiny.rates(PLAN, 4)


class Overriding(tiny.Tiny):
    """A subclass that would make a scheduler of its own, as some do."""

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        optimizer = optimizer or self.optimizer
        self.lr_scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, 0.1)
        return self.lr_scheduler

    def get_train_dataloader(self) -> Any:
        return self.accelerator.prepare(
            torch.utils.data.DataLoader(
                self.train_dataset[:20], batch_size=4, collate_fn=self.data_collator
            )
        )


def test_a_subclass_keeps_its_own_ways_but_for_the_schedule(tmp_path: Any) -> None:
    """Its optimizer and its dataloader are used, its scheduler is not made."""
    plan = rw.Warmup("1 epoch") >> rw.Linear(to=0)
    trainer = attach(tiny.make(tmp_path, kind=Overriding, num_train_epochs=2), plan)
    trainer.train()
    assert tiny.used(trainer) == tiny.rates(plan, 10, epoch=5)


def test_an_optimizer_of_the_users_own(tmp_path: Any) -> None:
    """An optimizer handed to the trainer is followed with the rates and names it came with."""
    body = tiny.model()
    head = list(body.classifier.parameters())
    rest = [p for n, p in body.named_parameters() if not n.startswith("classifier")]
    groups = [{"params": rest, "name": "body"}, {"params": head, "lr": 1e-2, "name": "head"}]
    made = tiny.Recorder(groups, lr=tiny.LR)
    kind = transformers.Trainer
    trainer = tiny.make(tmp_path, kind=kind, model=body, optimizers=(made, None), max_steps=6)
    attach(trainer, rw.Plan(lr=PLAN, groups={"head": rw.Linear(to=0)})).train()
    assert tiny.used(trainer) == tiny.rates(PLAN, 6)
    assert tiny.used(trainer, 1) == tiny.rates(rw.Linear(to=0), 6, 1e-2)


def test_decay_and_no_decay_groups_of_the_plain_trainer(tmp_path: Any) -> None:
    """The trainer's own two groups follow one schedule; only the one that decays does so."""
    kind = transformers.Trainer
    plan = rw.Plan(lr=PLAN, weight_decay=rw.Linear(to=0))
    trainer = attach(tiny.make(tmp_path, kind=kind, max_steps=5, weight_decay=0.1), plan)
    seen: list[list[Any]] = []
    read = lambda *_: seen.append(  # noqa: E731
        [(g["lr"], g["weight_decay"]) for g in tiny.innermost(trainer).param_groups]
    )
    trainer.add_callback(Each(read))
    trainer.train()
    decay = tiny.rates(rw.Linear(to=0), 5, 0.1)
    assert [row[0] for row in seen] == list(zip(tiny.rates(PLAN, 5), decay, strict=True))
    assert [row[1] for row in seen] == [(rate, 0.0) for rate in tiny.rates(PLAN, 5)]


class Each(transformers.TrainerCallback):
    """Looks on right after each update."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def on_optimizer_step(self, *args: Any, **parts: Any) -> None:
        self.act()


def test_lora_keeps_an_empty_group_and_one_of_its_own(tmp_path: Any) -> None:
    """Only the adapters' groups are trained, one rate sixteen times the other, one group empty."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_CLS")

    class Lora(transformers.Trainer):
        def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
            named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
            parts = [
                {"params": [p for n, p in named if "lora_A" in n], "lr": tiny.LR},
                {"params": [], "lr": 1.0},
                {"params": [p for n, p in named if "lora_A" not in n], "lr": 16 * tiny.LR},
            ]
            self.optimizer = self.optimizer or tiny.Recorder(parts, lr=tiny.LR)
            return self.optimizer

    wrapped = peft.get_peft_model(tiny.model(), config)
    trainer = attach(tiny.make(tmp_path, kind=Lora, model=wrapped, max_steps=6), PLAN)
    trainer.train()
    assert tiny.used(trainer) == tiny.rates(PLAN, 6)
    assert tiny.used(trainer, 2) == tiny.rates(PLAN, 6, 16 * tiny.LR)


def test_several_processes_count_more_samples_and_no_more_updates(tmp_path: Any) -> None:
    """The samples of an update are those of all processes, whatever the trainer's version."""
    from ratewise.adapters.transformers.attachment import TrainerAttachment

    args = SimpleNamespace(train_batch_size=4, gradient_accumulation_steps=2, world_size=8)
    old = SimpleNamespace(args=args, get_train_dataloader=lambda: [0] * 5, log=print)
    attachment = TrainerAttachment(old, PLAN, {}, {})
    attachment.get_train_dataloader()
    assert attachment.horizon(30) == {"total": 30, "epoch": 3, "samples": 64, "tokens": None}


@pytest.mark.slow
def test_two_processes_make_the_same_updates(tmp_path: Path) -> None:
    """Counted over both, an epoch is its updates; each process uses the rates of the other."""
    words = ["-m", "tests.transformers.ranks", tmp_path]
    done = warm.run(words, imported=warm.TORCH)
    assert done.returncode == 0, done.stderr
    used = [[float(x) for x in (tmp_path / str(r)).read_text().split()] for r in range(2)]
    heard = ast.literal_eval((tmp_path / "heard-0").read_text())
    plan = ranks.PLAN.resolve(ranks.TOTAL, epoch=3, samples=16)
    levels = plan.simulate([(t, {"eval_loss": value}) for t, value in heard]).values(ranks.TOTAL)
    assert used[0] == used[1] == [tiny.LR * level for level in levels.tolist()]
    assert len(set(used[0][3:7])) > 1


class Fused(tiny.Tiny):
    """A trainer whose optimizer takes rates that are tensors."""

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        for group in super().create_optimizer(*args, **kwargs).param_groups:
            group["fused"] = True
        return self.optimizer


def test_rates_on_the_device(tmp_path: Path) -> None:
    """`attach(on_device=True)`: each rate is base·f(t) rounded once, used and logged."""
    trainer = tiny.make(tmp_path, kind=Fused, max_steps=6)
    attach(trainer, rw.Cosine(to=0.1), on_device=True)
    with pytest.warns(UserWarning, match="are tensors on cpu"):
        trainer.train()
    exact = torch.tensor(tiny.rates(rw.Cosine(to=0.1), 6), dtype=torch.float64)
    assert tiny.used(trainer) == exact.float().tolist()
    told = torch.tensor(tiny.logged(trainer, "learning_rate/0"), dtype=torch.float64)
    assert told.float().tolist() == tiny.used(trainer)
