"""What a choice hands over is what was measured: the rates of every group, and the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ratewise import Cosine, Plan, ScheduleError, from_dict, parse
from ratewise.choose import Choice, choose
from ratewise.choose.handover import TaskOptimizer
from ratewise.tasks.protocols import GroupShare, Parts

torch = pytest.importorskip("torch")

from ratewise.tasks.torch.task import TorchTask  # noqa: E402
from ratewise.torch import Scheduler  # noqa: E402

TOTAL = 30
SHAPES = {"cosine": "Warmup(3) >> Cosine(to=0.05)", "linear": "Linear(to=0)"}

Rows = list[list[float]]


def model() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


def data(seed: int) -> Iterator[Any]:
    random = torch.Generator().manual_seed(seed)
    while True:
        x = torch.randn(16, 4, generator=random)
        yield x, x.sin().sum(1, keepdim=True)


def loss(net: Any, batch: Any) -> Any:
    return (net(batch[0]) - batch[1]).square().mean()


def metric(net: Any) -> float:
    x = torch.linspace(-2, 2, 64).reshape(16, 4)
    return float(loss(net, (x, x.sin().sum(1, keepdim=True))))


def sgd(net: Any, *rates: float, **more: Any) -> Any:
    return torch.optim.SGD(groups(net, rates), lr=0.5, momentum=0.9, **more)


def groups(net: Any, rates: tuple[float, ...], names: tuple[Any, ...] = ()) -> list[Any]:
    """Return the parameters in so many groups, body and head."""
    parts = [[*net[0].parameters()], [*net[2].parameters()]]
    parts = parts if len(rates) > 1 else [[*net.parameters()]]
    found = [{"params": p, "lr": lr} for p, lr in zip(parts, rates, strict=True)]
    for group, name in zip(found, names, strict=False):
        group["name"] = name
    return found


def adamw(net: Any, *rates: float, names: tuple[Any, ...] = ()) -> Any:
    several = groups(net, rates, names)
    several[0]["weight_decay"] = 0.3
    return torch.optim.AdamW(several, lr=0.5, betas=(0.8, 0.95))


def with_initial(net: Any) -> Any:
    """Return an optimizer that a scheduler has had before, which left its mark in the groups."""
    made = sgd(net, 0.3, 0.02)
    torch.optim.lr_scheduler.LambdaLR(made, lambda t: 0.5)
    return made


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd 1:10": lambda net: sgd(net, 0.01, 0.1),
    "sgd 10:1": lambda net: sgd(net, 0.1, 0.01, nesterov=True),
    "sgd, one group": lambda net: sgd(net, 0.1),
    "sgd, equal groups": lambda net: sgd(net, 0.1, 0.1),
    "sgd, a frozen body": lambda net: sgd(net, 0.0, 0.1),
    "adamw 1:7": lambda net: adamw(net, 0.001, 0.007),
    "adamw 10:1, named": lambda net: adamw(net, 0.01, 0.001, names=("body", "head")),
    "adamw, named alike": lambda net: adamw(net, 0.01, 0.001, names=("it", "it")),
    "adamw, one name, a number": lambda net: adamw(net, 0.003, 0.001, names=("0", 7)),
    "sgd, once scheduled": with_initial,
    "adamw, rates that are tensors": lambda net: adamw(net, *map(torch.tensor, (0.004, 0.01))),
}
every = pytest.mark.parametrize("kind", OPTIMIZERS)


@contextlib.contextmanager
def noted(optimizer: Any, rows: Rows) -> Generator[None]:
    """Note the rates of all groups at every step."""

    def note(*_: Any) -> None:
        rows.append([float(group["lr"]) for group in optimizer.param_groups])

    hook = optimizer.register_step_pre_hook(note)
    yield
    hook.remove()


def task_of(kind: str) -> Any:
    return TorchTask(model, OPTIMIZERS[kind], data, loss, metric)


@cache
def chosen(kind: str) -> Choice:
    peaks = [0.01, 0.02] if "adamw" in kind else [0.03, 0.06]
    return choose(task_of(kind), SHAPES, total=TOTAL, peaks=peaks, seeds=1)


@cache
def measured(kind: str) -> tuple[Rows, float]:
    """Return the rates of the measured run, hooked while it is run again, and how it ended."""
    choice, rows = chosen(kind), Rows()
    run = task_of(kind).open(0)
    (record,) = choice.proof.best(choice.name)
    with noted(run.optimizer, rows):
        run.train(record.rates)
    assert run.measure()["metric"] == record.metrics["metric"]
    return rows, choice.metric


def trained(kind: str, follow: Callable[[Any], Any]) -> tuple[Rows, float]:
    """Train by hand on the task's own optimizer, with what `follow` makes of it."""
    torch.manual_seed(0)
    net = model()
    optimizer = OPTIMIZERS[kind](net)
    scheduler, rows, batches = follow(optimizer), Rows(), data(0)
    with noted(optimizer, rows):
        for _ in range(TOTAL):
            optimizer.zero_grad()
            loss(net, next(batches)).backward()
            optimizer.step()
            scheduler.step()
    with torch.no_grad():
        return rows, metric(net.eval())


def check(found: tuple[Rows, float], kind: str) -> None:
    """Compare rates to four units in the last place: the order of two products is another."""
    rows, end = measured(kind)
    assert len(rows) == TOTAL
    np.testing.assert_allclose(found[0], rows, rtol=1e-15, atol=0)
    assert found[1] == end


def pasted(text: str, **space: Any) -> dict[str, Any]:
    exec(text, space)
    return space


@every
def test_the_plan_gives_what_was_measured(kind: str) -> None:
    """Every group has its rate at every update, and the run ends at the same bit."""
    plan = chosen(kind).plan
    check(trained(kind, lambda optimizer: Scheduler(optimizer, plan, total=TOTAL)), kind)


@every
def test_the_scheduler_gives_what_was_measured(kind: str) -> None:
    """Made by the choice itself, for the task's own optimizer."""
    check(trained(kind, chosen(kind).scheduler), kind)


def test_what_is_no_trainer_is_not_attached_to() -> None:
    """The error says what to call instead."""
    with pytest.raises(ScheduleError, match=r"choice\.scheduler\(optimizer\)"):
        chosen("sgd 1:10").attach(OPTIMIZERS["sgd 1:10"](model()))


@every
def test_the_code_gives_what_was_measured(kind: str) -> None:
    """Pasted, without ratewise."""
    code = pasted(chosen(kind).code("torch"))
    check(trained(kind, code["make_scheduler"]), kind)


@every
def test_the_snippet_gives_what_was_measured(kind: str) -> None:
    """Pasted from the report, after the task's own optimizer was made."""
    lines = chosen(kind).report(width=80, colour=False).partition("How to use it")[2].splitlines()
    text = "\n".join(line.strip() for line in lines if line.startswith("    "))
    follow = lambda optimizer: pasted(text, optimizer=optimizer)["scheduler"]  # noqa: E731
    check(trained(kind, follow), kind)


@pytest.mark.parametrize("kind", ["sgd 1:10", "adamw 10:1, named"])
def test_the_json_holds_the_plan(kind: str) -> None:
    """Read back, it is the same."""
    assert from_dict(chosen(kind).to_dict()["plan"]) == chosen(kind).plan


@pytest.mark.parametrize("target", ["torch", "lightning", "transformers"])
def test_code_names_the_optimizer_that_was_measured_and_no_other(target: str) -> None:
    """Neither does the report."""
    for text in (chosen("sgd 1:10").code(target), chosen("sgd 1:10").report(width=80)):
        assert "SGD" in text
        assert "AdamW" not in text


@pytest.mark.parametrize("target", ["keras", "optax", "deepspeed"])
def test_what_cannot_say_groups_refuses_them(target: str) -> None:
    """The rate of one group for all would be another training."""
    with pytest.raises(ScheduleError, match="groups"):
        chosen("sgd 1:10").code(target)


def test_groups_that_no_key_tells_apart_are_refused_before_anything_is_trained() -> None:
    """Each is called as the other's place."""
    crossed = lambda net: adamw(net, 0.01, 0.001, names=("1", "0"))  # noqa: E731
    task = TorchTask(model, crossed, data, loss, metric)
    with pytest.raises(ScheduleError, match="names that are no numbers"):
        choose(task, SHAPES, total=TOTAL, peaks=[0.01, 0.02])


def unmade() -> Parts:
    raise RuntimeError("only where it is trained")


def undeclared() -> Parts:
    return Parts(None, OPTIMIZERS["sgd 1:10"](model()))


@pytest.mark.parametrize("parts", [unmade, undeclared])
def test_groups_of_which_nothing_is_known_are_told_of(parts: Callable[[], Parts]) -> None:
    """A task that cannot be looked at, and one that does not say what it sets them to."""
    optimizer = TaskOptimizer.of(SimpleNamespace(parts=parts))
    assert "is not known" in str(optimizer.plan(Cosine(to=0), 0.1).notes)


@pytest.mark.parametrize(
    ("framework", "line"),
    [
        ("transformers", "attach(trainer, {}, total=30)"),
        ("lightning", "attach(module, {}, total=30)"),
        ("keras", "callback = Callback({}, total=30)  # model.fit(…, callbacks=[callback])"),
        ("optax", "learning_rate = schedule({}, total=30)"),
        ("", "scheduler = Scheduler(optimizer, {}, total=30)"),
    ],
)
def test_the_snippet_is_that_of_the_task(framework: str, line: str) -> None:
    """A trainer, a module and a Keras model follow a plan by ways of their own."""
    optimizer = TaskOptimizer("Lion", (GroupShare(None, 1.0), GroupShare(None, 0.5)), framework)
    first, second = optimizer.snippet(Cosine(to=0), 0.1, TOTAL)
    plan = Plan(
        lr=Cosine(to=0),
        peak={"lr": 0.1},
        groups={"1": Plan(lr=Cosine(to=0), peak={"lr": 0.05})},
    )
    assert second == line.format(repr(str(plan)))
    assert parse(str(plan)) == plan
    assert first.startswith(f"from ratewise.{framework or 'torch'} import ")
    lines = optimizer.use(Cosine(to=0), 0.1, TOTAL)
    assert [one.strip() for one in lines if one.startswith("    ")] == [first, second]
