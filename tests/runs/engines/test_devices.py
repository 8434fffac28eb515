"""Workers by device: planned by a pure function of what is there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.runs.engines import config
from ratewise.runs.engines.config import EngineConfig, device_names, places
from tests.tasks.stacks import task_of

NAMES = st.one_of(
    st.integers(0, 15).map(str), st.from_regex(r"(GPU|MIG)-[0-9a-f]{8}", fullmatch=True)
)


@given(st.integers(0, 16), st.booleans())
def test_every_device_has_as_many_workers(count: int, small: bool) -> None:
    """One, or two where the task says that it is small; they take turns."""
    devices = device_names(count, None)
    planned = places(devices, small=small)
    assert Counter(planned) == dict.fromkeys(devices, 1 + small)
    assert planned[:count] == devices


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), st.integers(1, 8), st.booleans())
def test_a_worker_sees_one_of_what_is_seen_here(names: Any, count: int, spaced: bool) -> None:
    """Numbers and identifiers alike, and none that is not usable here."""
    visible = (" , " if spaced else ",").join(names)
    assert device_names(min(count, len(names)), visible) == names[: min(count, len(names))]


def test_an_empty_list_of_devices_names_none_by_mistake() -> None:
    """What is set to nothing is as if it were not set; there is none to be counted then."""
    assert device_names(0, "") == device_names(0, None) == []


@pytest.mark.parametrize(
    ("devices", "small", "workers", "expected"),
    [
        (["0", "1", "2"], False, "auto", (3, ["0", "1", "2"])),
        (["0", "1"], True, "auto", (4, ["0", "1", "0", "1"])),
        (["0", "1"], False, 3, (3, ["0", "1"])),
        ([], True, "auto", (5, [])),
        ([], False, 2, (2, [])),
    ],
)
def test_workers_are_hired_as_planned(
    monkeypatch: Any, devices: Any, small: bool, workers: Any, expected: Any
) -> None:
    """One for each device, or as many as are asked for; on the CPU as many as cores."""
    hired: list[Any] = []
    monkeypatch.setattr(config, "_devices", lambda: devices)
    monkeypatch.setattr(config, "_cores", lambda: 5)
    monkeypatch.setattr(
        "ratewise.runs.engines.processes.Processes",
        lambda tasks, states, count, devices: hired.append((count, devices)),
    )
    states: Any = None
    EngineConfig(workers=workers).open({None: task_of(small=small)}, states)
    assert hired == [expected]
