"""DeepSpeed on the CPU, in one process: its engine, ZeRO in all stages, its checkpoints and log."""

from __future__ import annotations

import csv
import io
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.optim.lr_scheduler import LambdaLR

pytest.importorskip("deepspeed")

import ratewise as rw
import tests.transformers.tiny as trainers
from ratewise.deepspeed import EngineScheduler, attach
from ratewise.torch import Scheduler
from tests import warm
from tests.trainers.deepspeed_run import ENVIRONMENT, RATIO, engine_of, join, train, used
from tests.trainers.ledger import held
from tests.trainers.tiny import (
    LR,
    PLAN,
    TEXT,
    TOTAL,
    example,
    killed,
    levels,
    native,
    planned,
    rates,
)

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
STAGES = (0, 1, 2, 3)


@pytest.fixture(autouse=True, scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One process that is a group of one; what another one left, that was killed before."""
    folder = tmp_path_factory.mktemp("killed")
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    killed(lambda die: left_behind(folder, die))  # as long as there is no group to be forked
    join()
    yield folder
    dist.destroy_process_group()
    for name, value in before.items():
        os.environ.pop(name)
        os.environ.update({name: value} if value is not None else {})


def left_behind(folder: Path, die: Any) -> None:
    """Train in a group of its own, save behind every update, and die behind the seventh."""
    join()
    engine = followed()

    def after(t: int) -> None:
        engine.save_checkpoint(folder)
        if t == 7:
            die()

    train(engine, after=after)


def followed(plan: Any = PLAN, total: int = TOTAL, **options: Any) -> Any:
    return attach(engine_of(**options), plan, total=total)


@held("DeepSpeed", "rates exact", "ZeRO 0 to 3, float32 and bf16; under Accelerate and the Trainer")
@pytest.mark.parametrize("stage", STAGES)
def test_every_update_has_its_rate_whatever_the_accumulation(stage: int) -> None:
    """In both groups, as with PyTorch's own scheduler that DeepSpeed steps, and its weights."""
    own = train(engine_of(stage, lr_scheduler=native_of))
    ours = train(followed(stage=stage))
    assert used(ours) == used(own) == rates()
    first = ours.basic_optimizer.__dict__["used"][::2]
    assert first == [LR / RATIO * level for level in levels()]
    for one, other in zip(ours.module.parameters(), own.module.parameters(), strict=True):
        assert torch.equal(one, other)
    engine = train(followed(stage=stage, window=2 + stage, bf16=stage % 2 == 0))
    assert used(engine) == rates()
    assert engine.lr_scheduler.committed == engine.global_steps == TOTAL


def native_of(optimizer: Any) -> LambdaLR:
    return native(optimizer)


@held("DeepSpeed", "log right", "DeepSpeed's own schedulers are logged one update late")
def test_the_monitor_writes_the_rate_of_the_update(tmp_path: Any) -> None:
    """In the file of its CSV monitor, and at `engine.get_lr()`."""
    more = {"csv_monitor": {"enabled": True, "output_path": str(tmp_path), "job_name": "run"}}
    path = tmp_path / "run" / "Train_Samples_lr.csv"

    def written() -> list[float]:
        with path.open(encoding="utf-8") as file:
            return [float(row[1]) for row in list(csv.reader(file))[1:]]

    engine, told = followed(more=more), []
    train(engine, after=lambda _: told.append(engine.get_lr()[1]))
    assert written() == [LR / RATIO * level for level in levels()]
    assert told == rates()
    path.unlink()
    train(engine_of(more=more, lr_scheduler=native_of))
    assert written()[:-1] == [LR / RATIO * level for level in levels()[1:]]


SHORT = 6
"""Updates of a run that is resumed at each of them."""


@held("DeepSpeed", "optimizer alone, loaded first", "ZeRO 0 to 3: the state of engine.optimizer")
@held("DeepSpeed", "optimizer alone, loaded behind", "ZeRO 0 to 3: the state of engine.optimizer")
@pytest.mark.parametrize("stage", STAGES)
def test_the_optimizer_alone_resumes_at_every_update(stage: int, tmp_path: Any) -> None:
    """The state of `engine.optimizer`, of which the engine counts nothing; and its checkpoint.

    Loaded before attaching, or behind it; the state of the scheduler is left out.
    """
    first, states = followed(stage=stage, total=SHORT, bf16=stage == 0), [b""]

    def save(t: int) -> None:
        states.append(saved(first.optimizer))
        first.save_checkpoint(tmp_path, tag=str(t))

    train(first, SHORT - 1, after=save)
    for at in range(1, SHORT):
        for order in ("before", "behind"):
            engine = resumed(stage, order, lambda one, at=at: load(one.optimizer, states[at]))
            assert used(train(engine, SHORT - at)) == rates(SHORT)[at:], (at, order)
            assert engine.global_steps == SHORT - at  # which is why it cannot be the clock
        order = ("before", "behind")[(at + stage) % 2]
        from_file = {"tag": str(at), "load_lr_scheduler_states": False}
        engine = resumed(
            stage, order, lambda one, of=from_file: one.load_checkpoint(tmp_path, **of)
        )
        assert used(train(engine, SHORT - at)) == rates(SHORT)[at:], (at, order, "checkpoint")


def resumed(stage: int, order: str, load: Any) -> Any:
    """Return an engine that was attached to before it was loaded, or behind."""
    engine = engine_of(stage, bf16=stage == 0)
    if order == "behind":
        attach(engine, PLAN, total=SHORT)
    load(engine)
    return engine if order == "behind" else attach(engine, PLAN, total=SHORT)


def saved(optimizer: Any) -> bytes:
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    return file.getvalue()


def load(optimizer: Any, state: bytes) -> None:
    """ZeRO takes the states of all processes."""
    one = torch.load(io.BytesIO(state), weights_only=False)
    optimizer.load_state_dict([one] if "Zero" in type(optimizer).__name__ else one)


def test_a_state_without_a_count_is_asked_about() -> None:
    """That of a run without us is not trusted, nor begun again, unless it is said."""
    own = saved(train(engine_of(), 3).optimizer)
    engine = followed()
    load(engine.optimizer, own)
    with pytest.raises(rw.ScheduleError, match="does not say how many updates"):
        train(engine, 1)
    assert used(engine) == []
    late = engine_of()
    load(late.optimizer, own)
    with pytest.raises(rw.ScheduleError, match="and no peak"):
        attach(late, PLAN, total=TOTAL)


@pytest.mark.parametrize("theirs", ["WarmupLR", "PyTorch's"])
def test_a_run_that_began_without_us_is_gone_on_with(theirs: str, tmp_path: Any) -> None:
    """Its engine has counted; what its scheduler saved is refused, or passed over."""
    config = {"scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": LR}}}
    given = {"more": config} if theirs == "WarmupLR" else {"lr_scheduler": native_of}
    train(engine_of(**given), 3).save_checkpoint(tmp_path)
    for resume, kept in ((None, False), ("code", True), (None, True)):
        peaks = rw.Plan(lr=PLAN, peak={"lr": LR})
        engine = attach(engine_of(), peaks, total=TOTAL, resume=resume)
        if resume is None and kept:
            with pytest.raises(rw.ScheduleError, match="give resume='code'"):
                engine.load_checkpoint(tmp_path)
            continue
        engine.load_checkpoint(tmp_path, load_lr_scheduler_states=kept)
        assert used(train(engine, 3)) == rates()[3:6]


def test_our_own_count_comes_before_that_of_the_engine(tmp_path: Any) -> None:
    """Where a run began with `updates=`, its checkpoint says where it is, and the engine does not.

    With our state, and without it.
    """
    first = attach(engine_of(), PLAN, total=TOTAL, updates=5)
    train(first, 3).save_checkpoint(tmp_path)
    assert used(first) == rates()[5:8]
    for ours in (True, False):
        engine = followed()
        engine.load_checkpoint(tmp_path, load_lr_scheduler_states=ours)
        assert engine.global_steps == 3
        assert used(train(engine, TOTAL - 8)) == rates()[8:]
        assert engine.lr_scheduler.committed == TOTAL


@held("DeepSpeed", "resume by our state")
def test_our_state_is_in_its_checkpoint(tmp_path: Any) -> None:
    """And its schedule is compared with the code's."""
    first = followed()
    train(first, 5).save_checkpoint(tmp_path)
    engine = followed()
    engine.load_checkpoint(tmp_path)
    assert used(train(engine, TOTAL - 5)) == rates()[5:]
    assert engine.lr_scheduler.state_dict()["committed"] == TOTAL
    with pytest.raises(rw.ScheduleError, match="total"):
        followed(total=2 * TOTAL).load_checkpoint(tmp_path)


@held("DeepSpeed", "killed and resumed")
def test_a_run_that_was_killed_is_taken_up(process: Path) -> None:
    """By SIGKILL behind the seventh update."""
    engine = followed()
    engine.load_checkpoint(process)
    assert used(train(engine, TOTAL - 7)) == rates()[7:]


@held("DeepSpeed", "metric heard", "as engine.lr_scheduler.observe(loss=…)")
def test_a_plateau_is_shown_a_loss() -> None:
    """And its checkpoint goes on with what it heard."""
    plan = rw.Warmup(2) >> rw.Plateau(metric="loss", patience=0, factor=0.5)
    engine = followed(plan)
    train(engine, 6, after=lambda t: engine.lr_scheduler.observe(loss=1.0) if t in (4, 6) else 0)
    train(engine, 1)
    assert used(engine)[-1] == LR / 2
    assert used(engine)[2:6] == [LR] * 4


@held("DeepSpeed", "YAML", "as a text; its own file of config names only classes of DeepSpeed")
def test_a_text_is_the_value() -> None:
    """As it comes out of a file."""
    assert used(train(followed(TEXT))) == rates()


def test_updates_that_overflow_do_not_count() -> None:
    """Where the gradients of two updates are not finite; fp16 itself is not for every CPU."""
    more = {"bf16": {"enabled": True, "check_grad_overflow": True}}
    engine = followed(more=more)
    for attempt in range(TOTAL + 2):
        factor = float("inf") if attempt in (1, 6) else 1.0
        x = torch.ones(1, 2, dtype=torch.bfloat16)
        engine.backward(engine(x).square().mean() * factor)
        engine.step()
    assert engine.skipped_steps == 2
    assert engine.lr_scheduler.committed == TOTAL
    assert used(engine) == rates()


@pytest.mark.parametrize("stage", [0, 2])
def test_a_plan_given_before_the_engine_does_not_multiply_twice(stage: int) -> None:
    """It gives way, and the peaks are those that the optimizer had."""
    engine = engine_of(stage, before=lambda one: Scheduler(one, PLAN, total=TOTAL))
    assert used(train(attach(engine, PLAN, total=TOTAL))) == rates()
    more = engine_of(0, before=lambda one: Scheduler(one, PLAN, total=TOTAL))
    train(more, 3)
    with pytest.raises(rw.ScheduleError, match="has made 3 updates"):
        attach(more, PLAN, total=TOTAL)


def test_under_accelerate_and_the_trainer(tmp_path: Any) -> None:
    """Used and logged; whole, resumed, and with an optimizer that DeepSpeed makes."""
    words = ["-m", "tests.trainers.deepspeed_in_trainers", tmp_path]
    done = warm.run(words, imported=warm.TORCH, OMP_NUM_THREADS="1", **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout.splitlines()[-1])
    assert ran["accelerate"] == {"used": rates(), "log": rates()}
    wanted = rates(lr=trainers.LR)
    assert ran["whole"] == {"used": wanted, "log": wanted}
    assert ran["resumed"] == {"used": wanted[5:], "log": wanted}
    assert ran["theirs"] == {"used": [], "log": wanted}


def test_whoever_else_steps_it_moves_nothing() -> None:
    """As a loop, or Accelerate, that calls `scheduler.step()` too."""
    engine = followed()
    train(engine, after=lambda _: engine.lr_scheduler.step())
    assert used(engine) == rates()


def test_what_cannot_be_right_is_refused_before_training_or_said() -> None:
    """Another scheduler, a second one of ours, no length, no engine, a second writer."""
    config = {"scheduler": {"type": "WarmupLR", "params": {}}}
    with pytest.raises(rw.ScheduleError, match="found a WarmupLR on this engine"):
        attach(engine_of(more=config), PLAN, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match="found a schedule on this engine"):
        attach(followed(), PLAN, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match=r"attach\(total=…\)"):
        attach(engine_of(), PLAN)
    with pytest.raises(rw.ScheduleError, match=r"deepspeed\.initialize"):
        attach(3, PLAN, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match="did you mean total"):
        attach(engine_of(), PLAN, totl=TOTAL)
    engine = followed()
    assert isinstance(engine.lr_scheduler, EngineScheduler)

    def write(_: int) -> None:
        engine.basic_optimizer.param_groups[0]["lr"] = 1.0

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        train(engine, after=write)
    assert sum("set by somebody else" in str(one.message) for one in said) == 1
    assert used(engine) == rates()


def test_the_example() -> None:
    """As DeepSpeed's own documents have it, with one line more; each step is of the dial too."""
    heard, defined = example("deepspeed_engine.py")
    assert heard[::2] == heard[1::2] == planned(defined)
