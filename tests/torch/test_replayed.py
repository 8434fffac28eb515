"""A step that is captured goes on counting under replay; the host hears of it when it asks.

A tape stands for the graph: it does what was recorded again, in the same tensors, without the host.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.adapters.torch import device_clock, layout
from ratewise.torch import Scheduler
from tests.torch.device_twin import Plain, Tape, captured, rates, rounded

LR = 3e-4
PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
pytestmark = pytest.mark.filterwarnings("ignore:Scheduler.on_device=True.*:UserWarning")


@pytest.fixture(autouse=True)
def _a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters count as lying on a card; whether a stream captures is asked of the twin."""
    monkeypatch.setattr(device_clock._device, "is_on_card", lambda group: True)
    monkeypatch.setattr(device_clock._device, "is_captured", lambda: False)


def build(tools: Any, kind: Any = Plain, groups: int = 1, **options: Any) -> Any:
    parts = [{"params": [tools.parameter(k + 1)], "lr": LR / (k + 1)} for k in range(groups)]
    return kind(parts, lr=LR, **options)


def record(optimizer: Any, monkeypatch: pytest.MonkeyPatch) -> Tape:
    """Capture a step; like a graph, it has made no update until it is replayed."""
    before = {**optimizer.param_groups[0]}["ratewise_updates"].clone()
    weights = [w.detach().clone() for g in optimizer.param_groups for w in g["params"]]
    with captured(monkeypatch) as tape:
        optimizer.step()
    optimizer.param_groups[0]["ratewise_updates"].copy_(before)  # the tape has run it once
    for weight, old in zip(
        (w for g in optimizer.param_groups for w in g["params"]), weights, strict=True
    ):
        weight.data.copy_(old)
    return tape


@pytest.mark.parametrize(
    ("kind", "options"), [(Plain, {}), (torch.optim.SGD, {"fused": True})], ids=["plain", "fused"]
)
@pytest.mark.parametrize("groups", [1, 5])
def test_a_thousand_replays_with_overflows(
    tools: Any, monkeypatch: pytest.MonkeyPatch, kind: Any, options: Any, groups: int
) -> None:
    """Each uses base × values(), rounded once; past the end it holds; nothing asks the host."""
    optimizer = build(tools, kind, groups, **options)
    scheduler = Scheduler(optimizer, PLAN, total=700, on_device=True)
    tools.run(optimizer, 3)
    optimizer.found_inf = found = torch.zeros(())
    if options:
        optimizer.grad_scale = torch.ones(())
    tape = record(optimizer, monkeypatch)
    used = []
    for replay in range(1000):
        found.fill_(replay % 9 == 4)
        tape.replay()
        if replay % 9 != 4:
            used.append([group["lr"].clone() for group in optimizer.param_groups])
    levels = PLAN.resolve(total=700).values(3 + len(used))[3:]
    for k in range(groups):
        assert [float(row[k]) for row in used] == rounded(LR / (k + 1) * levels)
    assert scheduler.committed == 3 + len(used)
    assert scheduler.get_last_lr()[0] == LR * levels[-1]
    assert optimizer.state_dict()["param_groups"][0]["ratewise_updates"] == 3 + len(used)


def test_eager_steps_and_replays_take_turns(tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share one count; `step` in the loop and a metric that comes are no trouble."""
    optimizer = build(tools)
    plan = rw.Warmup(3) >> rw.Plateau("loss", patience=0, factor=0.5)
    scheduler = Scheduler(optimizer, plan, total=60, on_device=True, by_hand="refuse")
    twin = Scheduler(build(tools), plan, total=60)
    tools.run(optimizer, 1)
    tape = record(optimizer, monkeypatch)
    tools.run(twin.optimizer, 1)
    for turn in range(40):
        tape.replay() if turn % 3 else optimizer.step()
        twin.optimizer.step()
        assert rates(optimizer) == rounded(rates(twin.optimizer))
        for one in (scheduler, twin):
            if turn % 8 == 7:
                one.observe(loss=1.0)
            if turn % 5 == 4:
                one.step()
        assert rates(optimizer) == rounded(rates(twin.optimizer))
    assert scheduler.committed == twin.committed == 41
    assert scheduler.state_dict() == twin.state_dict()


@pytest.mark.parametrize("states", [[0], [1], [0, 1], [1, 0]])
def test_a_captured_step_resumes(
    tools: Any, monkeypatch: pytest.MonkeyPatch, states: list[int]
) -> None:
    """States that are loaded behind the capture are followed by the replays, in any order."""
    first = build(tools, groups=2)
    scheduler = Scheduler(first, PLAN, total=30, on_device=True)
    tools.run(first, 11)
    saved = tools.saved(first, scheduler)
    optimizer = build(tools, groups=2)
    other = Scheduler(optimizer, PLAN, total=30, on_device=True)
    tape = record(optimizer, monkeypatch)
    for _ in range(4):
        tape.replay()
    for state in states:
        (optimizer, other)[state].load_state_dict(saved[state])
    assert other.committed == 11
    for t in range(11, 34):
        tape.replay()
        level = PLAN.resolve(total=30)(t)
        assert rates(optimizer) == rounded([LR * level, LR / 2 * level])
    other.seek(2)
    tape.replay()
    assert rates(optimizer)[0] == rounded([LR * PLAN.resolve(total=30)(2)])[0]


def test_a_schedule_that_is_taken_off_leaves_its_peaks(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old graph goes on writing: what an optimizer without a schedule has."""
    optimizer = build(tools, groups=2)
    scheduler = Scheduler(optimizer, PLAN, total=30, on_device=True)
    tape = record(optimizer, monkeypatch)
    for keep in (False, True):
        for _ in range(6):
            tape.replay()
        last = scheduler.get_last_lr()
        scheduler.detach(keep=keep)
        for _ in range(3):
            tape.replay()
            assert rates(optimizer) == rounded(last if keep else [LR, LR / 2])
        scheduler = Scheduler(optimizer, PLAN, total=30, on_device=True)
        assert scheduler.committed == 0


def test_another_schedule_is_followed_by_the_old_graph(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it fits into the tensors that are captured; it begins at 0."""
    optimizer = build(tools)
    scheduler = Scheduler(optimizer, PLAN, total=30, on_device=True)
    tape = record(optimizer, monkeypatch)
    for _ in range(6):
        tape.replay()
    scheduler.detach()
    Scheduler(optimizer, rw.Linear(to=0.5), total=20, on_device=False).detach()
    second = Scheduler(optimizer, rw.Linear(to=0.5), total=20, on_device=True)
    for t in range(25):
        tape.replay()
        assert rates(optimizer) == rounded([LR * rw.Linear(to=0.5).resolve(20)(t)])
    assert second.committed == 25


def test_an_old_graph_that_cannot_follow_is_found(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A longer schedule has no room in the captured tables: a replay is refused when asked."""
    optimizer = build(tools)
    scheduler = Scheduler(optimizer, PLAN, total=30, on_device=True)
    tape = record(optimizer, monkeypatch)
    tape.replay()
    scheduler.detach()
    second = Scheduler(optimizer, PLAN, total=50, on_device=True)
    assert second.committed == 0
    tape.replay()
    with pytest.raises(rw.ScheduleError, match=r"earlier schedule or layout: capture the step ag"):
        _ = second.committed
    tape = record(optimizer, monkeypatch)
    tape.replay()
    assert second.committed == 1


@pytest.mark.parametrize("policy", ["warn", "ignore", "refuse"])
def test_values_set_by_hand_are_found_late(
    tools: Any, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """The replay uses the schedule's all the same; the host hears of it when it asks."""
    optimizer = build(tools)
    scheduler = Scheduler(optimizer, PLAN, total=30, on_device=True, by_hand=policy)
    tape = record(optimizer, monkeypatch)
    tape.replay()
    assert scheduler.committed == 1
    optimizer.param_groups[0]["lr"].fill_(0.5)
    tape.replay()
    assert rates(optimizer) == rounded([LR * PLAN.resolve(30)(1)])
    if policy == "refuse":
        with pytest.raises(rw.ScheduleError, match="update 2 that somebody else had written"):
            _ = scheduler.committed
    elif policy == "warn":
        with pytest.warns(UserWarning, match="update 2 that somebody else had written"):
            _ = scheduler.committed
    tape.replay()
    assert scheduler.committed == 3


def test_what_replays_could_not_go_on_with_is_refused_at_the_capture(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without an end, values that would have to be read, groups that have changed."""
    monkeypatch.setattr(layout, "BLOCK", 16)
    open_ended = build(tools)
    Scheduler(open_ended, rw.Warmup(3) >> rw.InverseSqrt(), on_device=True)
    following = build(tools)
    Scheduler(following, PLAN, total=20, on_device=True, by_hand="follow")
    changed = build(tools)
    Scheduler(changed, PLAN, total=20, on_device=True)
    changed.param_groups[0]["lr"] = torch.tensor(0.5)
    for optimizer, fix in (
        (open_ended, r"has no end .* give Scheduler\(total=…\), of fewer than 8,388,607"),
        (following, 'by_hand="follow" reads what it finds: give by_hand="warn"'),
        (changed, "have changed since: make one step before it"),
    ):
        before = [weight.tolist() for weight in optimizer.param_groups[0]["params"]]
        with pytest.raises(rw.ScheduleError, match=fix), captured(monkeypatch):
            optimizer.step()
        assert [weight.tolist() for weight in optimizer.param_groups[0]["params"]] == before


class Graphs:
    """A backend of `torch.compile` that runs graphs as they are, and counts them."""

    count = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.count += 1
        return graph.forward


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "graphs"),
    [(Plain, {}, 1), (torch.optim.SGD, {"foreach": True}, 3)],
    ids=["plain", "foreach"],
)
def test_a_compiled_step_counts_in_its_graph(
    tools: Any, kind: Any, options: Any, graphs: int
) -> None:
    """Nothing is read or compiled anew; PyTorch's own optimizers break their graph in three."""
    torch.compiler.reset()
    backend = Graphs()
    optimizer = build(tools, kind, 2, **options)
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
    scheduler = Scheduler(optimizer, PLAN, total=30, on_device=True)
    found = torch.zeros(())
    if kind is Plain:  # a foreach step of PyTorch's is not called where there is an overflow
        optimizer.found_inf = found
    step = torch.compile(lambda: optimizer.step(), backend=backend, fullgraph=kind is Plain)
    used = []
    for batch in range(40):
        found.fill_(batch % 4 == 1)
        if kind is Plain or batch % 4 != 1:
            step()
        scheduler.step() if batch % 3 else None
        if batch % 4 != 1:
            used.append(batch % 3 == 0 and rates(optimizer))
    levels = PLAN.resolve(total=30).values()
    for t, seen in enumerate(used):
        assert not seen or seen == [LR * levels[t], LR / 2 * levels[t]]
    assert backend.count == graphs
    assert scheduler.committed == 30
    optimizer.param_groups[0]["lr"].fill_(0.5)
    step()
    with pytest.warns(UserWarning, match="update 31 that somebody else had written"):
        assert scheduler.committed == 31
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("reason", ["blocks", "follow"])
def test_a_compiled_step_that_needs_the_host_has_it(
    tools: Any, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """It is right all the same, at the price of a break in the graph."""
    torch.compiler.reset()
    monkeypatch.setattr(layout, "BLOCK", 16)
    backend = Graphs()
    optimizer = build(tools)
    plan = rw.Warmup(3) >> rw.InverseSqrt()
    options: dict[str, Any] = {} if reason == "blocks" else {"total": 60, "by_hand": "follow"}
    scheduler = Scheduler(optimizer, plan, on_device=True, **options)
    step = torch.compile(lambda: optimizer.step(), backend=backend)
    levels = plan.resolve(**{"total": options.get("total")}).values(60)
    counts = set()
    for t in range(50):
        step()
        assert rates(optimizer) == rounded([LR * levels[t]])
        counts.add(backend.count) if t > 1 else None
    assert len(counts) == 1
    if reason == "follow":
        optimizer.param_groups[0]["lr"].fill_(LR / 2 * levels[50])
        step()
        assert rates(optimizer) == pytest.approx([LR / 2 * levels[50]], rel=1e-6)
    assert scheduler.committed == 50 + (reason == "follow")
    torch.compiler.reset()
