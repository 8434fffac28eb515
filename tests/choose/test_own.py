"""What a task does of its own accord takes part, and a choice has to be better than that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise import Cosine, Hold, Linear, ScheduleError, Warmup
from ratewise.choose import Choice, choose
from ratewise.choose.handover import TaskOptimizer
from ratewise.choose.own import OWN, own_settings
from ratewise.tasks.protocols import GroupShare, OwnSchedule
from tests.choose.valley import Valley

SHAPES = ["Warmup(2) >> Linear(to=0)", "Hold()"]
TOTAL, PEAKS = 40, [0.1, 0.2]


@dataclass(frozen=True)
class Scheduled(Valley):
    """A valley with a schedule of its own."""

    schedule: Any = None

    def own_schedule(self, total: int) -> OwnSchedule | None:
        return self.schedule


def chosen(task: Any, **options: Any) -> Choice:
    return choose(task, SHAPES, **{"total": TOTAL, "peaks": PEAKS, "seeds": 3, **options})


def rates_of(choice: Choice) -> np.ndarray:
    return next(run.rates for run in choice.proof.runs if run.name == OWN)


def read(task: Any, told: Any = None, groups: Any = (), **units: float) -> tuple[Any, str]:
    return own_settings(task, TOTAL, TaskOptimizer("SGD", tuple(groups)), told, **units)


@pytest.mark.parametrize("seeds", [1, 3])
def test_it_is_in_the_proof_with_every_seed(seeds: int) -> None:
    """A constant rate where the task has no schedule; each of its runs ends as it would alone."""
    choice = chosen(Valley(), seeds=seeds)
    mine = [run for run in choice.proof.runs if run.name == OWN]
    assert [run.seed for run in mine] == list(range(seeds))
    for record in mine:
        assert (record.rates == 0.1).all()
        alone = Valley().open(record.seed)
        alone.train(record.rates)
        assert record.metrics["loss"] == alone.measure()["loss"]
    assert choice.spent["own"] == TOTAL
    assert choice.trained == sum(choice.spent.values()) <= choice.budget


def test_the_verdict_begins_with_the_gain() -> None:
    """In the summary, the report, the page, the JSON and the title of the figure."""
    choice = chosen(Valley(peak=0.001))
    assert choice.gain is not None
    assert choice.gain.sure
    assert choice.gain.low < choice.gain.value < choice.gain.high
    assert choice.verdict.text == choice.gain.text
    assert str(choice.verdict).splitlines()[0] == choice.gain.text
    first = choice.gain.text[:40]
    assert first.startswith("A gain of ")
    assert "over your own settings" in choice.gain.text
    assert str(choice).startswith("Use “")
    for text in (str(choice), choice.report(width=200, colour=False), choice.html()):
        assert first in text
        assert OWN in text
    told = choice.to_dict()
    assert told["gain"]["value"] == choice.gain.value
    assert told["own"]["peak"] == 0.001
    assert len(told["own"]["values"]) == 3
    means = {one.name: one.mean for one in choice.proof.standings}
    assert choice.gain.value == pytest.approx(means[OWN] - min(means.values()))


def test_what_is_no_better_is_not_recommended() -> None:
    """Its own settings are kept: here they are the best that there is."""
    choice = chosen(Valley(), own="Hold() >> Linear(to=0, over='50%')", peaks=[0.002, 0.004])
    assert choice.name == OWN
    assert str(choice).startswith("Keep your own settings")
    assert choice.gain is not None
    assert choice.gain.text.startswith("No gain over your own settings: nothing that was tried is")
    assert choice.plan.peak == {"lr": 0.1}
    assert choice.figure() is not None


def test_settings_that_break_are_said_to() -> None:
    """Their rate is too high; whatever finishes is better."""
    choice = chosen(Valley(peak=50.0))
    assert choice.name != OWN
    assert choice.gain is not None
    assert choice.gain.text.startswith("Yours break")


def test_a_task_without_a_rate_has_none() -> None:
    """That is said, and the verdict is that of the finalists alone."""
    choice = chosen(Valley(peak=None))
    assert choice.own is None
    assert choice.gain is None
    assert OWN not in str(choice.verdict)
    assert any("no rate of its own" in note for note in choice.notes)


def test_a_candidate_that_is_the_same_is_not_proved_twice() -> None:
    """The task's own settings stand for it."""
    choice = chosen(Valley())
    same = [one for one in choice.proof.standings if one.name == "Hold()" and one.peak == 0.1]
    assert not same


def test_its_name_is_its_own() -> None:
    """A candidate may be called the same."""
    choice = choose(Valley(), {OWN: Linear(to=0), "b": Hold()}, total=20, peaks=PEAKS, seeds=1)
    assert len({one.name for one in choice.proof.standings}) == len(choice.proof.standings)
    assert any(one.name.startswith(OWN) and one.name != OWN for one in choice.proof.standings)


def test_a_choice_that_goes_on_has_the_same_own_settings(tmp_path: Path) -> None:
    """They come from the journal, as all that was trained does."""
    journal = tmp_path / "runs.db"
    first = chosen(Valley(), journal=journal, budget=400)
    again = chosen(Valley(), journal=journal, budget=400)
    assert again.proof.trained == 0
    strip = [{k: v for k, v in c.to_dict().items() if k != "proof"} for c in (first, again)]
    assert strip[0] == strip[1]


# How they are found -------------------------------------------------------------------------


def test_a_user_may_say_what_they_are() -> None:
    """As a schedule at the task's own rate, or with a peak of its own."""
    mine, note = read(Valley(), told="Warmup(4) >> Cosine(to=0)")
    assert (mine.schedule, mine.peak, note) == (Warmup(4) >> Cosine(to=0), 0.1, "")
    mine, _ = read(Valley(), told='Plan(lr=Linear(to=0), peak={"lr": 0.7})')
    assert mine.peak == 0.7
    mine, _ = read(Valley(), told='Warmup("1 epoch") >> Cosine(to=0)', epoch=5)
    assert mine.schedule == (Warmup(5) >> Cosine(to=0)).resolve(TOTAL)
    with pytest.raises(ScheduleError, match="did you mean Linear"):
        chosen(Valley(), own="Linaer(to=0)")


def torch_scheduler(make: Any, *rates: float) -> Any:
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in rates or (0.1,)]
    return make(torch.optim.lr_scheduler, torch.optim.SGD(groups, lr=0.1))


LIVE = {
    "cosine": (lambda lrs, opt: lrs.CosineAnnealingLR(opt, TOTAL), (0.1, 0.01)),
    "step": (lambda lrs, opt: lrs.StepLR(opt, 7, 0.3), (0.02, 0.2)),
    "one cycle": (lambda lrs, opt: lrs.OneCycleLR(opt, [0.3, 0.03], TOTAL), (0.1, 0.01)),
    "a function": (lambda lrs, opt: lrs.LambdaLR(opt, lambda t: 1 / (1 + t)), (0.1,)),
}


@pytest.mark.parametrize("name", LIVE)
def test_a_live_scheduler_is_followed(name: str) -> None:
    """The rates are those that it gives the group with the largest, stepped after every update."""
    make, rates = LIVE[name]
    source, twin = torch_scheduler(make, *rates), torch_scheduler(make, *rates)
    first = [group["initial_lr"] for group in source.optimizer.param_groups]
    groups = [GroupShare(None, lr / max(first)) for lr in first]
    mine, note = read(Scheduled(schedule=OwnSchedule(source)), groups=groups)
    used: list[float] = []
    for _ in range(TOTAL):
        used.append(max(twin.get_last_lr()))
        twin.optimizer.step()
        twin.step()
    assert note == "" or "moves momentum too" in note
    np.testing.assert_allclose(mine.run(TOTAL, 0).rates, used, rtol=1e-9, atol=1e-15)


def per_group(lrs: Any, opt: Any) -> Any:
    return lrs.LambdaLR(opt, [lambda t: 1.0, lambda t: 0.9**t])


UNREAD = {
    "listens": OwnSchedule(None),
    "no length of an epoch": OwnSchedule(Hold(), None),
    "nobody knows it": OwnSchedule(object()),
}


@pytest.mark.parametrize("name", [*UNREAD, "groups", "metrics"])
def test_where_they_cannot_be_read_that_is_said(name: str) -> None:
    """A constant rate stands for them then, and the choice goes on."""
    groups = ()
    source = UNREAD.get(name)
    if name == "groups":
        source, groups = OwnSchedule(torch_scheduler(per_group, 0.1, 0.1)), (1.0, 1.0)
    if name == "metrics":
        source = OwnSchedule(torch_scheduler(lambda lrs, opt: lrs.ReduceLROnPlateau(opt)))
    shares = [GroupShare(None, share) for share in groups]
    mine, note = read(Scheduled(schedule=source), groups=shares)
    assert "could not be read" in note
    assert (mine.run(TOTAL, 0).rates == 0.1).all()


def test_a_scheduler_that_raises_ends_nothing() -> None:
    """The task's own code failed, and that is said."""

    class Broken(Valley):
        def own_schedule(self, total: int) -> Any:
            raise KeyError("gone")

    mine, note = read(Broken())
    assert "raised KeyError" in note
    assert mine.schedule.resolve(TOTAL) == Hold().resolve(TOTAL)
