"""What a curve shows before any law speaks, each sign where it is and nowhere else."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from ratewise.cli import app
from ratewise.logs.curve import AnotherKind, Curve
from ratewise.logs.signs import read_signs

SHARED = Path(__file__).parents[3] / "shared" / "data" / "trainer_logs"
N = 60
STEPS = np.arange(10, 10 * N + 1, 10)
COOLED = 1e-3 * np.linspace(1, 0.02, N)


def learning(jitter: float = 0.02, seed: int = 0, floor: float = 1.0) -> np.ndarray:
    """A loss that falls along a power law."""
    rng = np.random.default_rng(seed)
    return (floor + 2 * (STEPS / 10) ** -0.5) * np.exp(jitter * rng.standard_normal(N))


def curve(losses: Any, rates: Any = COOLED, **facts: Any) -> Curve:
    return Curve(STEPS[: len(losses)], rates[: len(losses)], losses, **facts)


CREEP = np.linspace(0, 1e-6, N)


def kinds(*curves: Curve) -> set[str]:
    return {sign.kind for sign in read_signs(curves)}


@settings(max_examples=40)
@given(
    jitter=st.floats(0.001, 0.03), seed=st.integers(0, 10**6), floor=st.floats(0.05, 2),
    validation=st.booleans(), epoch=st.sampled_from([None, 150.0, 200.0, 300.0]),
)  # fmt: skip
def test_a_run_that_learns_shows_nothing(
    jitter: float, seed: int, floor: float, validation: bool, epoch: float | None
) -> None:
    """Whatever its noise and its floor, as long as its fall can be seen: it is not accused."""
    run = curve(learning(jitter, seed, floor), validation=validation, epoch=epoch)
    assert not run.diverged
    assert kinds(run) == set()


@pytest.mark.parametrize("jitter", [0.0, 0.004, 0.03, 0.1])
def test_a_loss_that_goes_nowhere_is_flat(jitter: float) -> None:
    """At any level and with any jitter; chance makes it look otherwise in one of fifty at most."""
    rng = np.random.default_rng(0)
    levels = np.exp(rng.uniform(np.log(0.01), np.log(10), 300))
    found = [
        "flat" in kinds(curve(level * np.exp(jitter * rng.standard_normal(N)) + CREEP))
        for level in levels
    ]
    assert sum(found) >= 294


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_a_flat_loss_of_guessing_is_called_so(classes: int) -> None:
    rng = np.random.default_rng(0)
    losses = math.log(classes) * (1 + 5e-4 * rng.standard_normal(N))
    (sign,) = [one for one in read_signs([curve(losses)]) if one.kind == "flat"]
    assert sign.stops
    assert f"ln {classes}" in sign.sentence


def test_a_validation_loss_that_rises_overfits() -> None:
    """As the loss that is read, or beside that of training, be it two points; a low first too."""
    valley = 1 + ((STEPS - 200) / 600) ** 2
    rng = np.random.default_rng(0)
    assert "overfitting" in kinds(curve(valley * (1 + 0.01 * rng.random(N)), validation=True))
    beside = ((100, 0.42), (600, 0.47))
    assert kinds(curve(learning(), evaluations=beside)) == {"overfitting"}
    assert kinds(curve(learning(), evaluations=beside[::-1])) == set()
    first = np.append(2.5, 3.5 + 0.3 * rng.standard_normal(N - 1))
    assert "overfitting" in kinds(curve(first, validation=True))
    assert "overfitting" not in kinds(curve(valley))


def test_one_rate_tells_nothing_of_another() -> None:
    """Of one run or of several; one that is cooled down, or another peak, is enough."""
    flat, warm = np.full(N, 1e-3), np.minimum(1e-3, 1e-4 * np.arange(1, N + 1))
    assert kinds(curve(learning(), flat)) == {"one_rate"}
    assert kinds(curve(learning(), flat), curve(learning(seed=1), warm)) == {"one_rate"}
    assert kinds(curve(learning(), flat), curve(learning())) == set()
    assert kinds(curve(learning(), flat), curve(learning(), flat * 2)) == set()


def test_a_run_inside_its_warm_up_is_not_whole() -> None:
    assert kinds(curve(learning(), np.linspace(1e-5, 1e-3, N))) == {"inside_warmup"}


def test_a_plan_that_was_not_kept_is_said_and_stops_nothing() -> None:
    (sign,) = read_signs([curve(learning(), planned=1000)])
    assert (sign.kind, sign.stops) == ("cut_short", False)
    assert "600 of 1,000" in sign.sentence
    assert kinds(curve(learning(), planned=600)) == set()


@pytest.mark.parametrize("epochs", [3, 5])
@pytest.mark.parametrize("told", [True, False])
def test_falls_where_epochs_begin_are_no_effect_of_the_rate(epochs: int, told: bool) -> None:
    """Stairs of the training loss, whether the log says where epochs begin or not."""
    epoch = STEPS[-1] / epochs
    at = np.ceil(STEPS / epoch) - 1
    jitter = 0.02 * np.random.default_rng(0).standard_normal(N)
    losses = 3 * np.exp(-0.4 * at - 1e-5 * STEPS + jitter)
    found = read_signs([curve(losses, epoch=epoch if told else None)])
    often = {"seen_often"} if told and epochs == 5 else set()
    assert {sign.kind for sign in found} == {"repeated_epochs"} | often
    assert f"every {epoch:,.0f} updates" in found[0].sentence
    assert "repeated_epochs" not in kinds(curve(losses, epoch=epoch, validation=True))


@pytest.mark.parametrize("points", [3, 4, 5, 7])
def test_stairs_of_few_points_are_seen_where_the_log_counts_epochs(points: int) -> None:
    """The first point of an epoch may be the mean of what was logged on both of its sides."""
    for late in (0.0, 0.3):
        at = np.ceil((STEPS / 10 - late) / points) - 1
        jitter = 0.005 * np.random.default_rng(0).standard_normal(N)
        losses = 3 * np.exp(-0.1 * at - 1e-5 * STEPS + jitter)
        falls = np.append(losses[0], (losses[1:] + losses[:-1]) / 2) if late else losses
        assert "repeated_epochs" in kinds(curve(falls, epoch=10.0 * points))
    assert "repeated_epochs" not in kinds(curve(learning(0.005), epoch=10.0 * points))


def test_one_epoch_of_several_is_said_and_so_are_many() -> None:
    """Neither stops a ranking; where validation losses are logged, nothing is hidden."""
    once = curve(learning(), epoch=550.0, planned=1650)
    assert kinds(once) == {"cut_short", "first_epoch"}
    assert kinds(curve(learning(), epoch=550.0, planned=600)) == set()
    assert kinds(curve(learning(), epoch=100.0)) == {"seen_often"}
    assert kinds(curve(learning(), epoch=100.0, evaluations=((300, 2.0), (600, 1.9)))) == set()
    assert not any(sign.stops for sign in read_signs([once]))


def test_a_training_loss_that_goes_up_again_is_not_ranked() -> None:
    """By a tenth of itself, though it never jumps; one that jitters so far is not accused."""
    losses = learning(0.005)
    turned = losses * np.where(STEPS > 400, 1.12, 1.0)
    (sign,) = read_signs([curve(turned)])
    assert (sign.kind, sign.stops, sign.blinds) == ("risen", True, True)
    assert "risen" not in kinds(curve(learning(0.1)))


def test_points_that_leap_are_spikes_and_digits_are_not() -> None:
    losses = learning(0.01)
    losses[[20, 40]] *= [1.8, 2.5]
    (sign,) = read_signs([curve(losses)])
    assert (sign.kind, sign.stops) == ("spikes", False)
    assert "2 points leap" in sign.sentence
    assert "update 410" in sign.sentence
    assert "spikes" not in kinds(curve(np.round(learning(0.02) / 5000, 4)))


def test_a_rate_that_goes_up_again_is_said() -> None:
    """Once, as where a run was resumed with another schedule, or many times; a warm-up is none."""
    again = np.concatenate([np.linspace(1, 0.6, 25), np.linspace(0.9, 0.02, N - 25)]) * 1e-3
    (sign,) = read_signs([curve(learning(), again)])
    assert (sign.kind, sign.stops) == ("rate_jump", False)
    assert "from 0.0006 to 0.0009 at update 260" in sign.sentence
    saw = 1e-3 * (1 - np.arange(N) % 20 / 20)
    (sign,) = read_signs([curve(learning(), saw)])
    assert "and 1 times more" in sign.sentence
    warm = np.minimum(COOLED, 1e-4 * np.arange(1, N + 1))
    assert kinds(curve(learning(), warm)) == set()


def test_a_jump_that_stays_is_divergence_and_a_spike_is_not() -> None:
    """From 1.6 to 11.8, at a rate that is named; half of all that was won is lost at once."""
    losses = 1.6 + 9 * np.exp(-STEPS / 60)
    jumped = np.where(STEPS > 300, 11.8 * np.exp(-(STEPS - 300) / 400), losses)
    shown = curve(jumped, 5 * np.ones(N))
    assert shown.diverged or "jump" in kinds(shown)
    recovers = np.where(STEPS > 300, 1.6 + 10.2 * np.exp(-(STEPS - 300) / 60), losses)
    (sign,) = [s for s in read_signs([curve(recovers, 5 * np.ones(N))]) if s.kind == "jump"]
    assert "at a rate of 5" in sign.sentence
    spike = losses.copy()
    spike[30] = 11.8
    assert "jump" not in kinds(curve(spike))


def test_one_low_point_is_no_divergence() -> None:
    """A loss that falls sixtyfold, with a point lower still on the way, went well."""
    losses = np.maximum(0.25 * np.exp(-STEPS / 80), 0.004)
    losses[40] = 0.0011
    assert curve(losses).diverged == ""
    assert curve(np.where(STEPS > 500, 5.0, learning())).diverged
    assert curve(np.append(learning()[:-1], np.inf)).diverged


def test_losses_around_zero_are_another_kind_of_curve() -> None:
    """Those of reinforcement learning begin there; a loss that was learned by heart ends there."""
    with pytest.raises(AnotherKind, match="around 0"):
        curve(np.sin(STEPS / 30))
    with pytest.raises(AnotherKind, match="around 0"):
        curve(np.maximum(STEPS - 200, 0) * 1e-6)
    with pytest.raises(AnotherKind, match="a loss of 0 at 18 of 60 points: learned by heart"):
        curve(np.round(2 * np.exp(-STEPS / 40), 4))
    with pytest.raises(AnotherKind, match=r"to the end, behind 1\.\d+: it became NaN"):
        curve(np.where(STEPS > 540, 0.0, learning()))
    with pytest.raises(AnotherKind, match="0 at every point"):
        curve(np.zeros(N))


# On the command line ------------------------------------------------------------------------


def predict(*words: str) -> Result:
    return CliRunner().invoke(app, ["predict", *words])


def record(path: Path, losses: Any, rates: Any, **more: Any) -> str:
    rows = [
        {"step": int(s), "loss": float(x), "learning_rate": float(r), "epoch": s / 200}
        for s, x, r in zip(STEPS, losses, rates, strict=True)
    ]
    rows += more.pop("also", [])
    state = {"log_history": rows, "global_step": int(STEPS[-1]), "max_steps": 600, **more}
    path.write_text(json.dumps(state), encoding="utf-8")
    return str(path)


def test_what_stops_a_ranking_is_said_first_and_ends_with_4(tmp_path: Path) -> None:
    """No schedule is named; JSON has the sign and no predictions."""
    path = record(tmp_path / "trainer_state.json", learning(), np.full(N, 1e-3))
    told = predict(path)
    assert told.exit_code == 4
    assert told.output.startswith("seen: it ran at one rate")
    assert "No schedule is ranked" in told.output
    assert "90 % interval" not in told.output
    found = json.loads(predict(path, "--json").stdout)
    assert found["predictions"] == []
    assert [sign["kind"] for sign in found["signs"]] == ["one_rate"]
    assert found["going_on"] is None


def test_the_end_of_a_run_at_one_rate_is_foreseen(tmp_path: Path) -> None:
    """Though nothing is ranked: up to 1 / .6 times as long, and what it comes to is inside."""
    path = record(tmp_path / "trainer_state.json", learning(), np.full(N, 1e-3))
    told = json.loads(predict(path, "--total", "900", "--json").stdout)["going_on"]
    assert told["total"] == 900
    assert told["low"] < 1 + 2 * 90**-0.5 < told["high"] < 1.5 * told["low"]
    words = " ".join(predict(path, "--total", "900").output.split())
    assert "Gone on with at 0.001, it comes to 1.2" in words
    assert json.loads(predict(path, "--total", "1200", "--json").stdout)["going_on"] is None


def test_advise_from_a_record_says_the_signs_and_draws_no_rules_from_them(tmp_path: Path) -> None:
    """A validation loss that rises; a reward around 0, which neither diverges nor spikes."""
    also = [{"step": 200, "eval_loss": 0.42}, {"step": 600, "eval_loss": 0.5}]
    path = record(tmp_path / "trainer_state.json", learning(), COOLED, also=also)
    told = CliRunner().invoke(app, ["advise", "--from", path, "--task", "fine-tuning"])
    assert told.exit_code == 0, told.output
    assert "the validation loss is lowest at update 200" in told.stderr
    path = record(tmp_path / "trainer_state.json", 0.01 * np.sin(STEPS**2.0), COOLED)
    told = CliRunner().invoke(app, ["advise", "--from", path, "--task", "fine-tuning"])
    assert "around 0" in told.stderr
    assert "spikes" not in told.stderr
    assert "divergence" not in told.stderr


# Real logs ----------------------------------------------------------------------------------

STOPPED = {
    2: "one_rate", 14: "one_rate", 18: "one_rate", 24: "overfitting", 28: "overfitting",
    32: "one_rate", 38: "repeated_epochs", 40: "flat", 50: "inside_warmup", 52: "overfitting",
}  # fmt: skip


def real(number: int, plan: int) -> Curve | None:
    rows = list(csv.DictReader((SHARED / f"log{number:02}.csv").open(encoding="utf-8")))
    train, rates, evals = (
        [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        for name in ("loss", "learning_rate", "eval_loss")
    )
    taken = evals if (held := len(evals) >= 8) else train
    if len(taken) < 8:
        return None
    steps, losses = np.array(taken).T
    beside = () if held else tuple(evals)
    known = np.interp(steps, *np.array(rates).T)
    return Curve(steps, known, losses, validation=held, evaluations=beside, planned=plan)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared logs are not here")
def test_real_records_show_what_they_show() -> None:
    """Each of these is stopped by what it shows, and none of the others is."""
    plans = csv.DictReader((SHARED / "index.csv").open(encoding="utf-8"))
    found: dict[int, set[str]] = {}
    for row in plans:
        number = int(row["number"])
        if number == 16:
            with pytest.raises(AnotherKind):
                real(number, int(row["max_steps"]))
            continue
        run = real(number, int(row["max_steps"]))
        if run is not None:
            assert not run.diverged, number
            found[number] = {sign.kind for sign in read_signs([run]) if sign.stops}
    assert {number for number, signs in found.items() if signs} == {*STOPPED}
    assert all(kind in found[number] for number, kind in STOPPED.items())
