"""Whatever becomes of a log on a disk, it is read or refused in one line."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose import compare, read_curves
from tests.logs.test_logs import Bowl, trained, write

FORMATS = ("log.csv", "trainer_state.json", "events.out.tfevents.1.host", "runs.db", "train.log")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A log of each format, as it was written."""
    folder = tmp_path_factory.mktemp("whole")
    lines = [f"{t},1e-3,{2 + 1 / t}" for t in range(1, 30)]
    (folder / "log.csv").write_text("\n".join(["step,lr,loss", *lines]), encoding="utf-8")
    printed = folder / "train.log"
    printed.write_text(
        "".join(f"step {t}/90 | loss: {2 + 1 / t}, lr: 1e-3\n" for t in range(1, 30))
    )
    trained(folder / "run")
    state = folder / "run" / "checkpoint-24" / "trainer_state.json"
    write(folder / "board", "tensorboardX")
    (events,) = (folder / "board").iterdir()
    plans = {"flat": rw.Hold(), "late": rw.Hold() >> rw.Linear(to=0, over="20%")}
    compare(Bowl(), plans, total=60, seeds=1, journal=folder / "runs.db")
    paths = (folder / "log.csv", state, events, folder / "runs.db", printed)
    return {name: path.read_bytes() for name, path in zip(FORMATS, paths, strict=True)}


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_log_is_read_or_refused(
    tmp_path: Path, whole: dict[str, bytes], name: str
) -> None:
    """Bytes changed anywhere, the end cut off, zeros in the place of a block."""
    content = whole[name]
    path = tmp_path / name

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
        cut=st.one_of(st.just(1.0), st.floats(0, 1)),
        zeros=st.one_of(st.none(), st.floats(0, 1)),
    )
    @example(changes=[], cut=1.0, zeros=None)
    def damaged(changes: list[tuple[float, int]], cut: float, zeros: float | None) -> None:
        bad = bytearray(content)
        for place, value in changes:
            bad[int(place * (len(bad) - 1))] = value
        if zeros is not None:
            at = int(zeros * len(bad))
            bad[at : at + 64] = bytes(len(bad[at : at + 64]))
        path.write_bytes(bad[: int(cut * len(bad))])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                curves: Any = read_curves(path)
        except rw.ScheduleError:
            return
        assert all((np.diff(one.steps) > 0).all() for one in curves)

    damaged()


def test_whole_ones_are_read(tmp_path: Path, whole: dict[str, bytes]) -> None:
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
        assert read_curves(tmp_path / name)
