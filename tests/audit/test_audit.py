"""What an audit says, in the cases that a log alone can make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.audit import audit, recorded

SPEC = "Warmup(100, start=0) >> Cosine(to=0.1)"
TOTAL, LR = 2000, 3e-4
COUNTS = np.arange(10, TOTAL + 1, 10)


def rate(t: Any, spec: str = SPEC, total: int = TOTAL, lr: float = LR) -> Any:
    return lr * rw.parse(spec).resolve(total=total)(np.maximum(np.asarray(t), 0))  # pyright: ignore


def log(rates: Any, counts: Any = COUNTS) -> dict[str, Any]:
    return {"step": counts, "lr": rates}


def held(rates: Any, counts: Any = COUNTS, **told: Any) -> Any:
    given: dict[str, Any] = {"total": TOTAL, "lr": LR, **told}
    return audit(log(rates, counts), SPEC, **given)


@pytest.mark.parametrize(("shift", "convention"), [(-1, "this"), (0, "next")])
def test_both_conventions_are_right(shift: int, convention: str) -> None:
    """The rate of the update just made, or of the next: told, and not a mistake."""
    found = held(rate(COUNTS + shift))
    assert (found.agrees, found.convention, found.causes) == (True, convention, ())


def test_a_convention_that_is_given_counts() -> None:
    """Who knows that the rate used is logged is told that a clock is early by one."""
    found = held(rate(COUNTS), logged="this")
    assert (found.agrees, found.cause.kind, found.cause.parameters["by"]) == (
        False,
        "off_by_one",
        1,
    )


def test_one_behind_from_the_start_is_not_decided_without_more() -> None:
    """The first update may have been skipped, as it should: only `skips=False` rules that out."""
    open_case = held(rate(COUNTS - 2))
    assert open_case.agrees is None
    assert "skipped" in open_case.undecided
    assert held(rate(COUNTS - 2), skips=False).cause.kind == "off_by_one"


def test_updates_that_were_skipped_are_told_and_not_accused() -> None:
    """A schedule that waits for skipped updates is right."""
    behind = (COUNTS > 300).astype(int) + (COUNTS > 700)
    found = held(rate(COUNTS - 1 - behind))
    assert found.agrees is True
    assert any("2 updates were skipped" in note for note in found.notes)


@pytest.mark.parametrize(
    ("rates", "kind", "parameters"),
    [
        (rate(4 * (COUNTS - 1)), "steps_per_update", {"k": 4}),
        (rate((COUNTS - 1) // 125), "per_epoch", {"epoch": 125}),
        (rate(COUNTS - 1, total=1537), "wrong_total", {"total": 1537}),
        (rate(np.where(COUNTS > 777, COUNTS - 778, COUNTS - 1)), "restarted", {"at": 777}),
        (rate(np.minimum(COUNTS - 1, 611)), "frozen", {"at": 611}),
        (rate(COUNTS - 1, lr=LR * 8), "world_size", {"processes": 8}),
    ],
)
def test_parameters_are_found(rates: Any, kind: str, parameters: dict[str, Any]) -> None:
    """The cause comes with the number that was wrong, with six digits too."""
    for kept in (rates, np.array([float(f"{one:.5e}") for one in rates])):
        found = held(kept)
        assert found.cause.kind == kind
        assert {name: found.cause.parameters[name] for name in parameters} == parameters
        assert found.cause.share == 1.0


def test_the_first_and_the_largest_departure_are_those_of_the_log() -> None:
    """They stand where recorded and intended rates really part."""
    wrong = rate(COUNTS - 1).copy()
    wrong[50:] = rate(COUNTS[50:] - 1 - 500)
    found = held(wrong)
    meant = rate(COUNTS - 1)
    assert found.first.update == COUNTS[50] - 1
    assert found.first.recorded == wrong[50]
    assert found.first.intended == pytest.approx(meant[50])
    worst = int(np.argmax(np.abs(wrong - meant)))
    assert found.largest.update == COUNTS[worst] - 1


def test_a_log_of_a_plateau_cannot_tell() -> None:
    """Where the plan stands still the clock cannot be seen: no verdict, and what to log."""
    spec = "Warmup(10) >> Hold() >> Linear(to=0, over=100)"
    counts = np.arange(100, 800, 50)
    found = audit(log(np.full(len(counts), LR), counts), spec, total=1000, lr=LR)
    assert found.agrees is None
    assert "log the rate every" in found.undecided
    assert found.causes == ()


def test_two_rates_cannot_tell() -> None:
    """Two rates that fit are no proof."""
    counts = np.array([500, 1500])
    assert held(rate(counts - 1), counts).agrees is None


def test_a_length_that_nobody_said_is_no_accusation() -> None:
    """Without a total the log's own is taken if it fits, and told."""
    found = audit(log(rate(COUNTS[:80] - 1), COUNTS[:80]), SPEC, lr=LR)
    assert found.agrees is True
    assert any("2,000 updates" in note for note in found.notes)


def test_groups_are_held_against_rates_of_their_own() -> None:
    """Groups by name; swapped ones are seen."""
    body, head = rate(COUNTS - 1), rate(COUNTS - 1, lr=3e-3)
    told: dict[str, Any] = {"lr": {"body": LR, "head": 3e-3}, "total": TOTAL}
    right = {"step": COUNTS, "lr/body": body, "lr/head": head}
    assert audit(right, SPEC, **told).agrees is True
    swapped = {"step": COUNTS, "lr/body": head, "lr/head": body}
    found: Any = audit(swapped, SPEC, **told)
    assert found.cause.kind == "wrong_group"


def test_a_plan_may_be_given_as_rates() -> None:
    """The rates of all updates are a plan too, and wrong clocks are found of them."""
    every = rate(np.arange(TOTAL))
    assert audit(log(every[COUNTS - 1]), every).agrees is True
    found: Any = audit(log(every[(COUNTS - 1) // 4]), every)
    assert (found.cause.kind, found.cause.parameters["k"]) == ("updates_per_step", 4)


def test_a_run_that_goes_on_behind_its_plan_is_told() -> None:
    """Held past the end: the rates are those of the plan, and its end was missed."""
    counts = np.arange(10, 3001, 10)
    found = held(rate(counts - 1), counts)
    assert (found.agrees, found.cause.kind) == (False, "held_past_end")


def test_a_counter_of_skipped_updates_accuses_nobody() -> None:
    """Three more than planned, on the last stair: skipped or not, only `skips=False` tells."""
    spec, counts = "Step(at=(1000, 1500), factor=0.1)", np.arange(3, TOTAL + 4, 10)
    told: dict[str, Any] = {"total": TOTAL, "lr": LR}
    right = log(rate(counts - 1, spec), counts)
    open_case = audit(right, spec, **told)
    assert open_case.agrees is None
    assert "skipped" in open_case.undecided
    sure: Any = audit(right, spec, skips=False, **told)
    assert (sure.agrees, sure.cause.kind) == (False, "held_past_end")
    cosine: Any = audit(log(rate(counts - 1), counts), SPEC, **told)  # it would show late ones
    assert (cosine.agrees, cosine.cause.kind) == (False, "held_past_end")


@settings(max_examples=25)
@given(
    total=st.integers(50, 5000),
    warm=st.floats(0.0, 0.3),
    floor=st.floats(0.0, 0.5),
    every=st.integers(1, 60),
    shift=st.sampled_from([-1, 0]),
    digits=st.sampled_from([2, 3, 4, 6, 17]),
    shape=st.sampled_from(["Cosine", "Linear", "Sqrt"]),
)
def test_no_right_log_is_accused(
    total: int, warm: float, floor: float, every: int, shift: int, digits: int, shape: str
) -> None:
    """Whatever the plan, the interval and the rounding: a log of the plan never departs from it."""
    spec = f"Warmup({int(warm * total)}) >> {shape}(to={floor!r})"
    counts = np.arange(min(every, total), total + 1, every)
    rates = [float(f"{one:.{digits - 1}e}") for one in rate(counts + shift, spec, total)]
    found = audit(log(np.array(rates), counts), spec, total=total, lr=LR)
    assert found.agrees is not False, str(found)


def test_what_is_found_can_be_written_down() -> None:
    """JSON, sentences, a picture in characters and one as a figure."""
    found = held(rate(2 * (COUNTS - 1)))
    told = json.loads(found.to_json())
    assert told["causes"][0]["kind"] == "steps_per_update"
    assert told["causes"][0]["evidence"]
    assert "steps per update (k 2)" in str(found)
    assert "they part from" in found.text(width=80, colour=False)
    axes = found.figure().axes[0]
    assert "step the schedule once" in " ".join(text.get_text() for text in axes.texts).replace(
        "\n", " "
    )
    assert len(axes.patches) == 1


def test_a_csv_that_was_resumed_is_read_once(tmp_path: Path) -> None:
    """What a resumed run wrote again replaces what was there, and the resume is noted."""
    lines = ["step,lr"]
    lines += [f"{c},{float(rate(c - 1))!r}" for c in range(10, 510, 10)]
    lines += [f"{c},{float(rate(c - 1))!r}" for c in range(410, 2001, 10)]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(lines))
    assert recorded(path).resumed == (410,)
    assert audit(path, SPEC, total=TOTAL, lr=LR).agrees is True


@pytest.mark.parametrize(
    "given_log", [{}, [], {"step": [1, 2]}, {"step": [1], "lr": [float("nan")]}, 3, b"x"]
)
def test_what_is_no_log_is_refused(given_log: Any) -> None:
    """A clear error, whatever it is."""
    with pytest.raises(rw.ScheduleError):
        audit(given_log, SPEC, total=TOTAL, lr=LR)
