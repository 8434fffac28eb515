"""Candidates that bring their own optimizer: who shares what, and what is exact."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ratewise as rw
from ratewise.choose import TorchTask, compare
from ratewise.runs.tree import PrefixTree
from tests.tasks.fixtures import Valleys

COSINE = rw.Warmup(5) >> rw.Cosine(to=0)
FLAT = rw.Warmup(5) >> rw.Hold()
LATE = rw.Warmup(5) >> rw.Hold() >> rw.Linear(to=0, over=10)


def adamw(model: nn.Module) -> Any:
    return torch.optim.AdamW(model.parameters(), lr=3e-3)


def sgd(model: nn.Module) -> Any:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def prodigy(model: nn.Module) -> Any:
    package = pytest.importorskip("prodigyopt")
    return package.Prodigy(model.parameters(), lr=1.0, safeguard_warmup=True)


def free(model: nn.Module) -> Any:
    package = pytest.importorskip("schedulefree")
    return package.AdamWScheduleFree(model.parameters(), lr=3e-3)


def free_sgd(model: nn.Module) -> Any:
    return pytest.importorskip("schedulefree").SGDScheduleFree(model.parameters(), lr=0.5)


def wrapped(model: nn.Module) -> Any:
    package = pytest.importorskip("schedulefree")
    return package.ScheduleFreeWrapper(torch.optim.SGD(model.parameters(), lr=0.1))


MAKERS = [adamw, sgd, prodigy, free, free_sgd, wrapped]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_pair_is_the_run_alone(noisy: TorchTask, maker: Any) -> None:
    """Forks of every optimizer end in the bits of its run trained alone in one go."""
    candidates = {
        "flat": (maker, FLAT),
        "late": (maker, LATE),
        "own": LATE,
        "short": (maker, FLAT, 20),
    }
    result = compare(noisy, candidates, total=40, seeds=2)
    assert result.sharing > 1.3
    for record in result.runs:
        assert record.error is None
        task = noisy if record.optimizer is None else noisy.with_optimizer(maker)
        run = task.open(record.seed)
        assert run.train(record.rates).tobytes() == record.losses.tobytes()
        assert run.measure() == record.metrics


@pytest.mark.parametrize("maker", MAKERS)
def test_measuring_and_going_back_leave_no_trace(noisy: TorchTask, maker: Any) -> None:
    """Measured at every turn, saved and restored, a run ends as one that was left in peace."""
    rates = maker(nn.Linear(1, 1)).param_groups[0]["lr"] * FLAT.resolve(total=30).values()
    quiet, busy = (noisy.with_optimizer(maker).open(0) for _ in range(2))
    expected = quiet.train(rates).tobytes()
    losses: list[Any] = []
    for piece in np.split(rates, 6):
        busy.measure()
        state = busy.save()
        busy.train(piece * 0.5)
        busy.measure()
        busy.restore(state)
        losses.append(busy.train(piece))
    assert np.concatenate(losses).tobytes() == expected
    assert busy.measure() == quiet.measure()


def test_a_schedule_free_run_is_measured_at_its_average() -> None:
    """The metric sees the weights x of the evaluation mode, and training goes on at y."""
    seen: list[bytes] = []
    model = nn.Linear(3, 1)
    optimizer = free(model)
    task = TorchTask(
        model=lambda: model,
        optimizer=lambda model: optimizer,
        data=lambda seed: [torch.randn(4, 3) for _ in range(5)],
        loss=lambda model, batch: model(batch).square().mean(),
        metric=lambda model: seen.append(model.weight.detach().numpy().tobytes()) or 0.0,
    )
    run = task.open(0)
    run.train(np.full(9, 3e-3))
    run.measure()
    assert optimizer.param_groups[0]["train_mode"]
    assert seen == [seen[0]] != [model.weight.detach().numpy().tobytes()]
    optimizer.eval()
    assert seen == [model.weight.detach().numpy().tobytes()]


def test_prodigy_keeps_its_scale_over_a_fork(noisy: TorchTask) -> None:
    """d, and all that it is found with, come back with a saved state."""
    made: list[Any] = []
    run = noisy.with_optimizer(lambda model: made.append(prodigy(model)) or made[-1]).open(0)
    run.train(FLAT.resolve(total=20).values())
    (optimizer,) = made
    state, group = run.save(), dict(optimizer.param_groups[0])
    trained = run.train(np.ones(10)).tobytes()
    assert optimizer.param_groups[0]["d_numerator"] != group["d_numerator"]
    run.restore(state)
    now = optimizer.param_groups[0]
    assert {key: now[key] for key in now if key != "params"} == {
        key: group[key] for key in group if key != "params"
    }
    assert run.train(np.ones(10)).tobytes() == trained


def test_other_optimizers_share_no_stretch() -> None:
    """Equal rates and seeds are trained twice if the optimizers differ, and once if they do not."""
    rates = np.full(10, 3e-4)
    runs = [(0, rates)] * 4
    tree = PrefixTree.of(runs, [None, "adamw", "sgd", "adamw"])
    assert (tree.asked, tree.planned) == (40, 30)
    assert [one.optimizer for one in tree.segments] == [None, None, "adamw", "adamw", "sgd", "sgd"]
    for segment in tree.segments:
        assert {[None, "adamw", "sgd", "adamw"][run] for run in segment.runs} == {segment.optimizer}
    assert PrefixTree.of(runs).planned == 10


def test_the_same_function_is_the_same_optimizer(noisy: TorchTask) -> None:
    """Two lambdas that look alike do not share; one function in two candidates does."""
    alike = [lambda model: adamw(model) for _ in range(2)]
    pairs = {"a": (alike[0], FLAT), "b": (alike[1], FLAT), "c": (alike[0], LATE)}
    result = compare(noisy, pairs, total=20, peaks=[1e-3])
    assert result.trained == 20 + 20 + 9
    assert [run.optimizer for run in result.runs] == ["a", "b", "a"]
    assert result.runs[0].losses.tobytes() == result.runs[1].losses.tobytes()


def test_the_result_is_json(noisy: TorchTask) -> None:
    """A function is written down as its name, or the candidate's; the task's own as None."""
    pairs = {"own": COSINE, "adam": (adamw, COSINE), "x": (lambda m: sgd(m), COSINE)}
    form = json.loads(json.dumps(compare(noisy, pairs, total=12).to_dict()))
    assert [run["optimizer"] for run in form["runs"]] == [None, "adamw", "x"]
    assert [run["name"] for run in form["runs"]] == list(pairs)


def test_every_optimizer_has_its_own_peak(noisy: TorchTask) -> None:
    """Without peaks each runs at its own rate; peaks can be given by name, or for all."""
    pairs = {"own": COSINE, "sgd": (sgd, COSINE), "prodigy": (prodigy, COSINE)}
    peaks = [run.peak for run in compare(noisy, pairs, total=12).runs]
    assert peaks == [3e-3, 0.05, 1.0]
    some = compare(noisy, pairs, total=12, peaks={"sgd": [0.01, 0.1]})
    assert [(run.name, run.peak) for run in some.runs] == [
        ("own", 3e-3), ("sgd", 0.01), ("sgd", 0.1), ("prodigy", 1.0)
    ]  # fmt: skip
    everyone = compare(noisy, pairs, total=12, peaks=[0.02])
    assert [run.peak for run in everyone.runs] == [0.02] * 3


def test_an_optimizer_that_fails_ends_its_own_runs_alone(noisy: TorchTask) -> None:
    """The traceback is in its record, and the others finish."""

    def broken(model: nn.Module) -> Any:
        raise RuntimeError("no such optimizer")

    pairs = {"own": COSINE, "broken": (broken, COSINE), "sgd": (sgd, COSINE)}
    runs = compare(noisy, pairs, total=12, peaks=[1e-3]).runs
    assert ["no such optimizer" in (run.error or "") for run in runs] == [False, True, False]


BAD: list[tuple[Any, dict[str, Any], str]] = [
    ((adamw,), {}, r"needs a schedule or a pair \(schedule, total\) or \(optimizer, schedule\)"),
    ((COSINE, adamw), {}, "needs a schedule or a pair"),
    ((adamw, COSINE, 20, 3), {}, "needs a schedule or a pair"),
    ((COSINE, None), {}, "needs a schedule or a pair"),
    ((), {}, "needs a schedule or a pair"),
    (adamw, {}, "needs a schedule, a plan or a text"),
    ((adamw, "Cosin(to=0)"), {}, r"compare\({'a': …}\).*Cosine"),
    ((adamw, COSINE, 0), {}, "total"),
    ((adamw, COSINE), {"peaks": {"b": [0.1]}}, "'b'.*is no candidate; those are a"),
    ((adamw, COSINE), {"peaks": {"a": []}}, "needs peaks to be a list of at least one"),
]


@pytest.mark.parametrize(("given", "options", "words"), BAD)
def test_what_is_no_pair_is_refused(
    noisy: TorchTask, given: Any, options: dict[str, Any], words: str
) -> None:
    """The error says what a pair is, before anything is trained."""
    with pytest.raises(rw.ScheduleError, match=words):
        compare(noisy, {"a": given}, total=20, **options)


def test_a_task_that_has_no_other_optimizers_says_so(valleys: Valleys) -> None:
    """A task of one's own takes pairs if it has `with_optimizer`, and is told so if not."""
    with pytest.raises(rw.ScheduleError, match=r"cannot give another optimizer .* with_optimizer"):
        compare(valleys, {"a": (sgd, COSINE)}, total=10, peaks=[0.1])
