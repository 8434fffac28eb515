"""What is pasted, dropped or followed: read by the readers of the other rooms, and no file else."""

from __future__ import annotations

import builtins
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.compare import compare
from ratewise.schedule import ScheduleError
from ratewise.studio import Drawing, StudioState
from ratewise.studio.advice import advised, fact_forms
from ratewise.studio.code import code, code_or_error, targets
from ratewise.studio.figure import LOSS
from ratewise.studio.follow import follow, more_is_better
from ratewise.studio.opening import look_at
from ratewise.studio.plateau import simulated
from ratewise.studio.session import Session
from ratewise.studio.sources import LARGEST_CONTENT, Config, Log, plain_name, read, seen_in
from ratewise.studio.state import changed
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl

TRAINER = {"lr_scheduler_type": "cosine", "learning_rate": 3e-4, "warmup_steps": 100,
           "max_steps": 1000}  # fmt: skip
MMENGINE = """
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
param_scheduler = [dict(type='MultiStepLR', by_epoch=False, milestones=[300, 600], gamma=0.1)]
train_cfg = dict(by_epoch=False, max_iters=1000)
"""


def history(total: int = 1000, every: int = 10) -> list[dict[str, float]]:
    """The log of a run with a warm-up and a linear decay, and a loss that rests at the end."""
    plan = (rw.Warmup(100, start=0) >> rw.Linear(to=0)).resolve(total)
    steps = range(every, total + 1, every)
    return [{"step": t, "learning_rate": 1e-3 * plan(t - 1), "loss": 1 + 3 / (1 + t / 50) ** 0.5,
             "eval_loss": max(1.2, 2 - t / 400)} for t in steps]  # fmt: skip


STATE = json.dumps({"log_history": history(), "max_steps": 1000, "global_step": 1000}).encode()
ROWS = "\n".join(f"{r['step']},{r['learning_rate']!r},{r['loss']!r}" for r in history())
CSV = f"step,lr,loss\n{ROWS}\n".encode()


# Configs and logs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("", b'WSD("5%", decay="20%")', "ratewise"),
        ("plan.json", rw.Cosine(to=0.1).to_json().encode(), "ratewise"),
        ("args.json", json.dumps(TRAINER).encode(), "transformers"),
        ("", b"--lr 1e-3 --min-lr 1e-5 --lr-decay-style cosine --train-iters 1000 "
         b"--lr-warmup-iters 10", "Megatron"),
        ("config.py", MMENGINE.encode(), "MMEngine"),
        ("", MMENGINE.encode(), "MMEngine"),
    ],
)  # fmt: skip
def test_configs_are_read_as_convert_reads_them(name: str, content: bytes, format: str) -> None:
    """A pasted config is the plan that `convert.read` makes of its file."""
    found = read(name, content)
    assert isinstance(found, Config)
    assert format.lower() in found.format.lower()
    assert found.plan.lr is not None


@pytest.mark.parametrize(
    ("name", "content"), [("trainer_state.json", STATE), ("", STATE), ("log.csv", CSV), ("", CSV)]
)
def test_logs_are_read_as_logs_reads_them(name: str, content: bytes) -> None:
    """Rates, losses and metrics of a log are there, whether it was dropped or pasted."""
    found = read(name, content)
    assert isinstance(found, Log)
    assert found.recorded is not None
    assert len(found.recorded.steps) == 100
    assert len(found.curves) == 1
    assert "loss" in found.names
    assert {one.row for one in found.drawn()} == {"lr", LOSS}
    assert all("ratewise-studio" not in one.name for one in found.drawn())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"  \n ", "is empty"),
        (b"hello world", "neither a config nor a log"),
        (b"\x00\x01\x02\x03", "cannot be read as a log"),
        (b"\x80\x04\x95", "cannot be read as a log"),
        (b"Warmup(500) >> Cosine(too=1)", "too"),
        (b"__import__('os').system('id')", "in no known format"),
        (b"[" * 200_000, "neither|nested|known format|JSON"),
        (b"step,loss\nx,y\n", "log"),
        (b"a" * (LARGEST_CONTENT + 1), "5,000,001 bytes: give at most 5,000,000"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, told: str) -> None:
    """The answer to what cannot be read is one of our errors, and names no folder of ours."""
    with pytest.raises(ScheduleError, match=told) as caught:
        read("", content)
    assert "ratewise-studio-" not in str(caught.value)


def test_no_file_is_read_that_was_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that is a path is a text, and the bases that a config names are not looked for."""
    secret = tmp_path / "secret.yaml"
    secret.write_text(json.dumps(TRAINER))
    (tmp_path / "secret.py").write_text(MMENGINE)
    opened: list[str] = []
    monkeypatch.setattr(os, "open", watching(os.open, opened))
    monkeypatch.setattr(builtins, "open", watching(builtins.open, opened))
    for content in (str(secret), f"_base_: {secret}\nlr: 1", f"_BASE_: {secret}",
                    f"_base_ = '{tmp_path}/secret.py'\nlr = 1",
                    f"from {tmp_path.name} import secret\nlr = 1",
                    "a: ${oc.env:HOME}", f"defaults:\n  - {secret}"):  # fmt: skip
        for name in ("", "config.py", "config.yaml", "../../secret.yaml", str(secret)):
            try:
                found = read(name, content.encode())
            except ScheduleError:
                continue
            assert not isinstance(found, Config)
    assert [one for one in opened if str(tmp_path) in one] == []


def watching(function: Any, opened: list[str]) -> Any:
    def watched(path: Any, *more: Any, **named: Any) -> Any:
        opened.append(str(path))
        return function(path, *more, **named)

    return watched


@pytest.mark.parametrize(
    ("name", "plain"),
    [("/etc/passwd", "passwd"), ("..\\..\\a.csv", "a.csv"), ("", "pasted text"),
     ("..", "pasted text"), ("a\x00b\n.csv", "a_b_.csv"), ("x" * 500 + ".csv", "x" * 76 + ".csv")],
)  # fmt: skip
def test_a_name_is_no_path(name: str, plain: str) -> None:
    """What a browser calls a file is shown, and leads nowhere."""
    assert plain_name(name) == plain


def test_the_log_is_held_against_the_plan() -> None:
    """A log of the schedule that is worked on agrees; of another it departs, and both are drawn."""
    session = Session()
    session.take(read("trainer_state.json", STATE))
    assert (session.state.updates, session.state.lr) == (1000, pytest.approx(1e-3))
    ((_, audit, error),) = session.audits()
    assert error == ""
    assert audit is not None
    assert audit.agrees is False
    meant = Drawing(rw.parse("Warmup(100, start=0) >> Linear(to=0)"))
    session.change(lambda state: StudioState((meant,), total=1000, lr=1e-3))
    assert session.audits()[0][1].agrees is True  # type: ignore[union-attr]
    inferred = seen_in(session.logs[0])
    assert inferred is not None
    assert inferred.inferred is not None
    assert inferred.inferred.exact
    rows = [one for one in session.figure()["data"] if one["mode"] == "markers"]
    assert [one["yaxis"] for one in rows] == ["y", "y2"]


def test_a_plateau_is_simulated_on_a_recorded_metric() -> None:
    """What is drawn is what `schedule.simulate` gives on the metric under the name it waits for."""
    session = Session(StudioState((Drawing(rw.Plateau(patience=3, factor=0.5)),), total=1000))
    log = read("trainer_state.json", STATE)
    assert isinstance(log, Log)
    session.take(log)
    made = session.simulate(0, "eval_loss")
    shown = [(int(r["step"]), {"val_loss": r["eval_loss"]}) for r in history() if r["step"] < 1000]
    expected = rw.Plateau(patience=3, factor=0.5).resolve(1000).simulate(shown)
    assert made.run.decisions == expected.decisions != ()
    assert np.array_equal(made.drawn(0).y, expected.schedule.values(1000))
    with pytest.raises(ScheduleError, match="listens to no metric"):
        simulated(StudioState(), log, "eval_loss")
    with pytest.raises(ScheduleError, match="eval_los"):
        session.simulate(0, "eval_los")
    session.change(lambda state: changed(state, drawings=(Drawing(rw.Hold()),)))
    assert session.run is None


def test_losses_are_predicted_by_a_law_that_is_fitted_to_the_logs() -> None:
    """The prediction is that of `Fit.predict`, for each drawing, the lowest loss first."""
    pytest.importorskip("scipy")
    session = Session()
    with pytest.raises(ScheduleError, match="no loss curve"):
        session.fit()
    session.take(read("log.csv", CSV))
    law = session.fit()
    session.change(lambda state: changed(state, drawings=(*state.drawings, Drawing(rw.Hold()))))
    told = session.predictions()
    assert len(told) == 2
    losses = [one.prediction.loss for one in told if one.prediction is not None]
    assert losses == sorted(losses)
    peak = session.state.lr
    assert peak is not None
    direct = law.predict(rw.Hold(), lr=peak, total=session.state.updates)
    (hold,) = [one.prediction for one in told if one.name == "Hold()"]
    assert hold is not None
    assert hold.loss == direct.loss
    assert sum(one.row == LOSS and not one.points for one in session.beside()) == 2


# Sessions -----------------------------------------------------------------------------------


def test_a_change_that_cannot_be_leaves_everything_as_it_was() -> None:
    """An error is kept to be shown; the state, its curve and its link stay."""
    session = Session()
    before = session.state
    assert "needs lr" in session.change(lambda state: changed(state, lr=-1.0))
    assert session.state is before
    assert session.error
    assert session.change(lambda state: changed(state, lr=1.0)) == ""
    session.undo()
    assert session.state is before


def test_advice_has_sources_and_code_is_that_of_write() -> None:
    """Every card says who says so; code is what `convert.write` writes, or why it cannot."""
    found = advised({"task": "fine-tuning", "kind": "language model", "batch": "64", "seen": []})
    assert found.cards
    assert all(card.source and card.strength for card in found.cards)
    assert {one.name for one in fact_forms()} >= {"task", "seen", "beta2"}
    with pytest.raises(ScheduleError):
        advised({"batch": "many"})
    state = StudioState()
    for target in targets():
        assert code(state, target, approximate=target == "deepspeed")
    listening = StudioState((Drawing(rw.Plateau()),))
    assert code_or_error(listening, "torch")[1]
    namespace: dict[str, Any] = {}
    exec(code(changed(state, lr=3e-4), "ratewise"), namespace)
    assert namespace["plan"] == state.at.value.resolve(10_000)


# Journals -----------------------------------------------------------------------------------


def test_a_journal_is_followed_while_it_is_written(tmp_path: Path) -> None:
    """In the middle of a comparison it tells what runs; at the end, the best that there was."""
    path = tmp_path / "runs.db"
    seen: list[Any] = []

    def progress(done: int, planned: int, what: str) -> None:
        if done and (not seen or done > planned // 2 > seen[-1].now.trained):
            seen.append(follow(path))

    plans = {name: SCHEDULES[name] for name in ("constant", "cosine")}
    result = compare(Bowl(), plans, **ASKED, journal=path, progress=progress)
    middle, end = seen[-1], follow(path)
    assert middle.now.running
    assert 0 < middle.share < 1
    assert any("running" in line for line in middle.lines)
    assert end.now is not None
    assert end.now.ended
    assert end.share == 1.0
    values = [run.metrics[result.metric] for run in result.runs]
    assert end.best[0].value == min(values)
    assert [one.value for one in end.best] == sorted(values)[:8]
    assert follow(path, more=True).best[0].value == max(values)
    given = look_at([path])
    assert given.journals == (str(path.resolve()),)


def test_what_is_no_journal_is_said(tmp_path: Path) -> None:
    """A file that is not there, or only looks like a journal, is an error of our grammar."""
    fake = tmp_path / "fake.db"
    fake.write_bytes(b"SQLite format 3\0" + b"\xff" * 500)
    for path in (fake, tmp_path / "none.db"):
        with pytest.raises(ScheduleError):
            follow(path)
    with pytest.raises(ScheduleError, match=r"none\.csv"):
        look_at([tmp_path / "none.csv"])
    assert more_is_better("eval_accuracy")
    assert not more_is_better("loss")
