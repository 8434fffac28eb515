"""Public configs, retyped as keys and values, have the rates that their own project gives them."""

from __future__ import annotations

import contextlib
import functools
import re

import numpy as np
import pytest

from ratewise.convert.reading import formats, guess, read_source
from ratewise.convert.sources import load
from ratewise.schedule import Plan, ScheduleError
from tests.convert.public.cases import CASES, HERE, REFUSED, Case, path


def landmarks(total: int) -> list[int]:
    """Every update of a short run; of a long one the beginning, the end and many between."""
    return sorted({*range(0, total, max(total // 500, 1)), *range(min(total, 50)), total - 1})


@functools.cache
def own(name: str) -> np.ndarray:
    """The project's own rates at the landmarks."""
    case = CASES[name]
    rate = case.rate()
    return np.array([rate(t) for t in landmarks(case.total)])


def rates(plan: Plan, case: Case) -> np.ndarray:
    """The rates that were read."""
    assert plan.lr is not None
    level = plan.lr.resolve(case.total)
    return plan.peak["lr"] * np.array([level(t) for t in landmarks(case.total)])


@pytest.mark.parametrize("name", CASES)
def test_a_public_config_is_read_as_its_project_reads_it(name: str) -> None:
    """Its own reader claims it, its length is known, and so is the rate at every update."""
    case = CASES[name]
    assert guess(path(name)).name == case.format
    found = read_source(path(name), **case.told)
    assert found.total == case.total
    assert {*found.plan.groups} == {*case.groups}
    np.testing.assert_allclose(rates(found.plan, case), own(name), rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", CASES)
def test_no_other_reader_takes_it_for_something_else(name: str) -> None:
    """Forced to be read as any other format it is refused, or its rates are the same."""
    case, content = CASES[name], load(path(name))
    for other in formats():
        told = case.told if other == case.format else {"total": case.total, **case.told}
        with contextlib.suppress(ScheduleError):
            plan = read_source(content, format=other, **told).plan
            if "lr" not in plan.peak:
                plan.rates(case.total)  # is refused without a peak
            np.testing.assert_allclose(rates(plan, case), own(name), rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_in_the_file_is_asked_for(name: str) -> None:
    """Where a project does more than can be read, that is said, and no rates are given."""
    format, told, message = REFUSED[name]
    assert guess(path(name)).name == format
    with pytest.raises(ScheduleError, match=message):
        read_source(path(name), **told)


def test_every_file_stands_in_the_table_and_names_its_source() -> None:
    """At least 60 files of at least 15 formats, each with the repository and path it is from."""
    sources = {case.format for case in CASES.values()}
    files = {
        each.stem for each in HERE.iterdir() if each.suffix in (".json", ".sh", ".toml", ".yaml")
    }
    files |= {
        each.stem for each in HERE.glob("*_*.py") if not each.stem.startswith(("test_", "__"))
    }
    ours = {name for name in files if any(name.startswith(f"{format}_") for format in sources)}
    assert ours == {*CASES, *REFUSED}
    assert all(re.match(r"[\w.-]+/[\w.-]+: \S", case.source) for case in CASES.values())
    assert len(CASES) >= 60
    assert len(sources) >= 15
