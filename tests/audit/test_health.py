"""What is seldom meant is seen in a run, by numbers; and a healthy run is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ratewise as rw
from ratewise.audit.health import health
from ratewise.audit.recorded import Recorded

EVERY = 20


def log(
    rates: NDArray[np.float64], losses: Any = None, seed: int = 0, noise: float = 0.02
) -> Recorded:
    """A log of these rates, each row with the loss of its update and some noise."""
    steps = np.arange(EVERY, len(rates) + 1, EVERY)
    seen = None
    if losses is not None:
        rng = np.random.default_rng(seed)
        seen = np.asarray(losses, dtype=np.float64)[steps - 1] + rng.normal(0, noise, len(steps))
    return Recorded(("",), steps, rates[steps - 1, None], seen, convention="this")


def rates_of(spec: str, total: int = 2000) -> NDArray[np.float64]:
    schedule = rw.parse(spec)
    assert isinstance(schedule, rw.Schedule)
    return 1e-3 * schedule.resolve(total=total).values()


def falling(total: int = 2000) -> NDArray[np.float64]:
    return 1 + 3 * np.exp(-np.arange(total) / (total / 4))


def kinds(recorded: Recorded, **more: Any) -> list[str]:
    found = health(recorded, **more)
    for one in found:
        assert one.sentence
        assert one.rule
        assert one.source
        assert all(0 < at <= recorded.steps[-1] for at in one.where)
    return [one.kind for one in found]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "spec",
    [
        "Hold()",
        "Warmup(100, start=0) >> Linear(to=0)",
        "Cosine(to=0)",
        "WSD(100, decay='20%')",
        "Step(0.1, at=(1000, 1500))",
        "Restarts(500)",
        "InverseSqrt(200)",
        "Cyclic(0.1, 250)",
    ],
)
def test_a_healthy_run_is_left_alone(spec: str, seed: int) -> None:
    """Of a schedule that was followed to its end, under a loss that falls, nothing is said."""
    assert kinds(log(rates_of(spec), falling(), seed)) == []


def test_updates_at_rate_0_are_named() -> None:
    """Between rates above it, with their places; one at either end is nothing."""
    rates = rates_of("Hold()")
    rates[800:1000] = 0
    assert kinds(log(rates)) == ["zero_rate"]
    (found,) = health(log(rates))
    assert (found.where[0], found.where[-1]) == (820, 1000)
    assert kinds(log(rates_of("Warmup(100, start=0) >> Linear(to=0)"))) == []


@pytest.mark.parametrize(("share", "said"), [(0.5, True), (0.97, False), (1.0, False)])
def test_a_run_that_was_left_early_is_named(share: float, said: bool) -> None:
    """With the rate still high; one that is all but over is not."""
    rates = rates_of("Warmup(100, start=0) >> Cosine(to=0)", 4000)[: int(4000 * share)]
    assert ("stopped_short" in kinds(log(rates))) == said


@pytest.mark.parametrize(("more", "said"), [(1000, True), (100, False)])
def test_a_run_that_goes_on_behind_its_schedule_is_named(more: int, said: bool) -> None:
    """At the floor for more than a tenth of the schedule."""
    rates = np.append(rates_of("Cosine(to=0.1)"), np.full(more, 1e-4))
    assert ("past_the_end" in kinds(log(rates))) == said


def test_a_warmup_that_is_never_done_is_named() -> None:
    """From the log alone where it holds nothing else, and from the plan where one is known."""
    rates = rates_of("Warmup(4000, start=0) >> Hold()", 5000)[:1000]
    assert kinds(log(rates)) == ["peak_not_reached"]
    meant = rates_of("Warmup(100, start=0) >> Hold()")
    assert kinds(log(0.7 * meant), intended=meant) == ["peak_not_reached"]
    assert kinds(log(meant), intended=meant) == []


@pytest.mark.parametrize(("height", "said"), [(2.0, True), (0.0, False)])
def test_a_spike_behind_a_jump_of_the_rate_is_named(height: float, said: bool) -> None:
    """A rate that leaps up and takes the loss with it; a leap alone is a restart."""
    rates = rates_of("Restarts(500)")
    losses = falling()
    losses[1001:1060] += height
    assert ("spike_after_jump" in kinds(log(rates, losses))) == said


def test_a_spike_without_a_jump_is_not_the_rates() -> None:
    """A bad batch at a rate that falls is none of its doing."""
    losses = falling()
    losses[1000:1060] += 3
    assert kinds(log(rates_of("Cosine(to=0)"), losses)) == []


@pytest.mark.parametrize(("until", "said"), [(200, True), (1500, False)])
def test_a_cut_that_came_late_is_named(until: int, said: bool) -> None:
    """The loss stood still for long, and fell at once behind the cut; or it fell till then."""
    t = np.arange(2000)
    losses = 2 + 2 * np.clip(1 - t / until, 0, None) - 0.5 * (t >= 1500)
    rates = rates_of("Step(0.1, at=(1500,))")
    assert ("late_cut" in kinds(log(rates, losses))) == said


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (np.full(2000, 1.386), True),
        (1.386 - 1e-4 * np.arange(2000), False),
        (np.zeros(2000), False),
        (1 + np.sin(np.arange(2000.0)), False),
    ],
)
def test_a_loss_that_never_fell_is_named(losses: NDArray[np.float64], said: bool) -> None:
    """One that is flat and above 0; of one around 0, as of rewards, nothing is said."""
    assert ("loss_never_fell" in kinds(log(rates_of("Cosine(to=0)"), losses, noise=0.01))) == said


def test_few_rows_say_nothing() -> None:
    """Where a log cannot tell, it is not accused."""
    few = Recorded(("",), np.array([1, 2, 3]), np.array([[0.0], [1e-3], [2e-3]]), np.ones(3))
    assert kinds(few) == []
    none = Recorded(("",), np.array([1, 2]), np.zeros((2, 1)))
    assert kinds(none) == []
