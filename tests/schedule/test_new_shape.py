"""A new shape is a class, and a name: everything else follows from there."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import write
from ratewise.schedule import moves

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def quarter() -> Iterator[type[rw.Schedule]]:
    """A shape as its author writes it: a formula over any array namespace, and no more."""

    @dataclasses.dataclass(frozen=True, repr=False)
    class Quarter(rw.Move, written=True):
        """Fall along a quarter of a sine."""

        to: float = 0.0
        over: Any = None
        start: float | None = None

        def weight(self, xp: Any, k: Any, n: Any) -> Any:
            return 1 - xp.sin(np.pi / 2 * xp.true_divide(k, n))

    yield Quarter
    del rw.Schedule.kinds["Quarter"]


def test_a_new_shape_is_read_and_written_down(quarter: Any) -> None:
    """Its text, its dict and its JSON come back as it, alone and inside compositions."""
    plan = rw.Warmup("5%") >> quarter(to=0.1)
    for schedule in (quarter(over=10), plan, plan * 0.5, rw.Repeat(quarter(), every=7)):
        assert rw.parse(repr(schedule)) == schedule
        assert rw.from_dict(schedule.to_dict()) == schedule
        assert rw.from_json(schedule.to_json()) == schedule
    assert rw.parse("Quarter(to=0.1)") == quarter(to=0.1)


def test_a_new_shape_is_drawn(quarter: Any) -> None:
    """What shows a schedule asks nothing more of it."""
    assert "Quarter" in rw.show(quarter(to=0.1), 50).text()


@pytest.mark.parametrize("target", ["torch", "lightning", "transformers", "keras", "optax"])
def test_a_new_shape_is_written_as_code(quarter: Any, target: str) -> None:
    """Every target that writes code has its formula, alone, in a part and in a cycle."""
    for schedule in (quarter(to=0.1), rw.Repeat(quarter(), every=20, shrink=0.5)):
        assert "sin(" in write(schedule, target, total=100)
    part = rw.schedule.Part(quarter(to=0.1), begin=1, of=101)
    assert "sin(" in write(part, target, total=100)


def test_the_code_of_a_new_shape_gives_its_levels(quarter: Any) -> None:
    """The written function is the formula, at every update and past the end."""
    pytest.importorskip("torch")
    schedule = rw.Warmup(5) >> quarter(to=0.1, over=40)
    names: dict[str, Any] = {}
    exec(write(schedule, "torch", total=50), names)
    wanted = schedule.resolve(50).values(60)
    np.testing.assert_allclose([names["level"](t) for t in range(60)], wanted, rtol=1e-14)


def test_a_config_gets_the_nearest_of_a_new_shape(quarter: Any) -> None:
    """A target that has types and no code says what comes nearest."""
    assert "scheduler" in write(quarter(), "deepspeed", total=50, approximate=True)


def test_the_files_of_shapes_say_what_the_package_offers() -> None:
    """Every kind and every named composition is exported under one name, and nothing twice."""
    offered = rw.schedule.__all__
    assert len(set(offered)) == len(offered)
    kinds = {n for n, kind in rw.Schedule.kinds.items() if kind.__module__.startswith("ratewise.")}
    assert kinds - set(offered) == set()


def test_a_new_shape_has_its_place_on_the_page(
    quarter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name in the `__all__` of its file is what the page of shapes goes by."""
    monkeypatch.setattr(moves, "Quarter", quarter, raising=False)
    monkeypatch.setattr(moves, "__all__", [*moves.__all__, "Quarter"])
    monkeypatch.syspath_prepend(str(DOCS))
    page: ModuleType = __import__("make_shapes")
    monkeypatch.delitem(sys.modules, "make_shapes")
    assert "### Quarter\n\n`Quarter()`\n" in page.write()


# The front page -----------------------------------------------------------------------------


def test_the_front_page_is_short() -> None:
    """The package offers what people write every day, in at most 36 names."""
    assert len(rw.__all__) <= 36
    assert set(rw.schedule.__all__) >= set(rw.__all__) - {"__version__", "show"}


def test_a_shape_that_left_the_front_page_is_still_found_there() -> None:
    """Code that says `ratewise.Rex` goes on; what never was gets the usual error."""
    for name in rw.schedule.__all__:
        assert getattr(rw, name) is getattr(rw.schedule, name)
    rare = set(rw.schedule.__all__) - set(rw.__all__)
    assert rare.isdisjoint(dir(rw))
    assert all(rw.parse(f"Repeat({name}(), every=9)") for name in ("Tanh", "Rex", "Wave"))
    with pytest.raises(AttributeError, match="Rexx"):
        inspect.getattr_static(rw, "__getattr__")("Rexx")
