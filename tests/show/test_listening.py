"""Drawing schedules that listen, on metrics that were recorded."""

from __future__ import annotations

import json

import pytest

import ratewise as rw
from ratewise.show import read_metrics, show

PLATEAU = 'Warmup(10) >> Plateau(metric="val_loss", patience=1, factor=0.5)'
LOSSES = {t: max(1.0 - t / 50, 0.5) for t in range(0, 100, 10)}


@pytest.fixture
def recorded(tmp_path):
    """The same metrics in every form that is read."""
    rows = [{"step": t, "val_loss": loss, "loss": ""} for t, loss in LOSSES.items()]
    files = {name: tmp_path / name for name in ("m.csv", "m.json", "m.jsonl", "trainer_state.json")}
    lines = [",".join(map(str, row.values())) for row in rows]
    files["m.csv"].write_text("\n".join(["step,val_loss,loss", *lines]) + "\n")
    files["m.json"].write_text(json.dumps(rows))
    files["m.jsonl"].write_text("\n".join(json.dumps(row) for row in rows))
    files["trainer_state.json"].write_text(json.dumps({"log_history": rows, "epoch": 1}))
    return files


@pytest.mark.parametrize("name", ["m.csv", "m.json", "m.jsonl", "trainer_state.json"])
def test_decisions_are_drawn_and_listed(recorded, name):
    """The curve is the simulated run, and every decision is a landmark."""
    picture = show(PLATEAU, 100, metrics=recorded[name])
    wanted = (
        rw.parse(PLATEAU).resolve(100).simulate([(t, {"val_loss": v}) for t, v in LOSSES.items()])
    )
    (curve,) = picture.curves
    assert curve.schedule == wanted.schedule
    listed = [m.update for m in picture.landmarks[0] if "decides" in m.what]
    assert listed == [d.update for d in wanted.decisions] != []
    assert "Plateau decides: × 0.5" in picture.text(100, colour=False)


def test_without_metrics_it_says_so():
    """Shown no metrics, the drawing is of a run that decides nothing, and says that."""
    picture = show(PLATEAU, 100)
    assert picture.curves[0].schedule(99) == 1.0
    text = " ".join(picture.text(100, colour=False).split())
    assert "drawn as if it was shown none" in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "holds no metrics"),
        ("a,b\n1,2\n", "has no updates"),
        ("step,loss\n1.5,2\n", "whole numbers"),
        ('{"step": 1', "not JSON"),
        ("[1, 2]", "has an entry 1"),
    ],
)
def test_files_that_hold_no_metrics_are_refused(tmp_path, text, part):
    """What cannot be read as metrics is one error that says what is missing."""
    file = tmp_path / "m.csv"
    file.write_text(text)
    with pytest.raises(rw.ScheduleError, match=part):
        read_metrics(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """A path that leads nowhere is one error."""
    with pytest.raises(rw.ScheduleError, match="cannot be read"):
        read_metrics(tmp_path / "nothing.csv")
