"""Names of runs: equal for equal runs, and for no others."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.runs.journal import asked_for, status
from ratewise.runs.journal.journal import Journal
from ratewise.runs.keys import Way, fingerprint
from ratewise.schedule import ScheduleError
from tests.examples import examples

leaves = st.none() | st.booleans() | st.integers(0, 12) | st.sampled_from([0.0, 1.0, 1.5])
leaves |= st.text("1, []{}:'\n", max_size=3) | st.binary(max_size=3)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", max_size=2), inner,
                                                                max_size=3),
    max_leaves=6,
)  # fmt: skip


def exactly(value: Any) -> Any:
    """A value in which what Python calls equal across kinds, such as 1 and True, differs."""
    if isinstance(value, dict):
        return "dict", tuple((key, exactly(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return "list", tuple(map(exactly, value))
    return type(value).__name__, value


def named(state: Any) -> str:
    return fingerprint(object(), state, {"loss": 1.0})


@settings(max_examples=examples(300), derandomize=True)
@given(values, values)
def test_states_that_differ_have_names_that_differ(one: Any, two: Any) -> None:
    """The parts of a state cannot be told in two ways."""
    assert (named(one) == named(two)) == (exactly(one) == exactly(two))


@dataclass
class Held:
    a: Any
    b: Any


PAIRS: list[tuple[Any, Any]] = [
    ([1, 11], [11, 1]),
    ([1, 1, 1], [11, 1]),
    (["a", "b"], ["ab", ""]),
    ([[1], 2], [[1, 2]]),
    ({"a": {"b": 1}}, {"a": {}, "b": 1}),
    ({"a": 1}, [["a", 1]]),
    ({1: 2}, {"1": 2}),
    ("1", 1),
    (b"1", "1"),
    (None, "None"),
    (True, 1),
    (np.zeros((2, 3)), np.zeros((3, 2))),
    (np.zeros(2, "f4"), np.zeros(1, "f8")),
    ([np.zeros(1), np.zeros(2)], [np.zeros(2), np.zeros(1)]),
    (Held([1, 11], 1), Held([1, 1], 11)),
    ({1, 11}, {111}),
    ({1}, ["set", 1]),
    (Held(1, 2), ["Held", {"a": 1, "b": 2}]),
    ([{1, 2}, {3}], [{1}, {2, 3}]),
]


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_what_could_be_taken_for_each_other_is_not(pair: tuple[Any, Any]) -> None:
    """Lists, nested ones, keys, shapes, kinds and texts."""
    one, two = pair
    assert named(one) != named(two)
    assert named(one) == named(one)


def test_tensors_are_told_apart_by_shape_kind_and_content() -> None:
    """Half precision too, which numpy does not know; a view is what it shows."""
    torch = pytest.importorskip("torch")
    ones = torch.ones(2, 3)
    different = [ones, torch.ones(3, 2), torch.ones(6), ones.double(), ones.bfloat16(),
                 ones.half(), torch.ones(2, 3, dtype=torch.int32), ones * 2, torch.ones(()),
                 torch.ones(0), torch.ones(0, 2), ones.tolist()]  # fmt: skip
    assert len({named(one) for one in different}) == len(different)
    turned = torch.arange(6.0).view(2, 3).T
    assert named(turned) == named(turned.contiguous()) != named(turned.T)
    assert named(ones.requires_grad_()) == named(torch.ones(2, 3))
    generator = torch.Generator().manual_seed(3)
    assert named(generator) == named(torch.Generator().manual_seed(3))


def test_sets_have_one_name_in_every_process() -> None:
    """The order of a set is another one in every process."""
    many = [f"name {i}" for i in range(50)]
    assert named(set(many)) == named({*many[::-1]}) == named(frozenset(many))


WAYS = [
    ("task", 1, None, [0.1]),
    ("task\n1", 1, None, [0.1]),
    ("task", 11, None, [0.1]),
    ("task", 1, "", [0.1]),
    ("task", 1, "sgd", [0.1]),
    ("task", 1, "sgd\n", [0.1]),
    ("task\n1\nsgd", 1, "", [0.1]),
    ("task", 1, None, [0.1, 0.1]),
    ("task", 1, None, [0.0]),
    ("task", 1, None, [-0.0]),
    ("task", 1, None, []),
]


def test_ways_that_differ_have_names_that_differ() -> None:
    """Names of tasks and optimizers may hold anything, ends of lines too."""
    keys = {
        Way(seed, optimizer, np.array(rates)).key(task) for task, seed, optimizer, rates in WAYS
    }
    assert len(keys) == len(WAYS)
    whole = Way(1, "sgd", np.array([0.1, 0.2]))
    assert whole.until(1).key("t") == Way(1, "sgd", np.array([0.1])).key("t")


def test_a_journal_with_names_of_before_is_refused_by_name(tmp_path: Path) -> None:
    """What is in it might be another task's, or damaged: it is not read at all."""
    path = tmp_path / "runs.db"
    for version in (1, 2):
        Journal(path).close()
        with sqlite3.connect(path) as file:
            file.execute(f"PRAGMA user_version={version}")
        file.close()
        for look in (Journal, asked_for, status):
            with pytest.raises(ScheduleError, match=f"older version {version}"):
                look(path)
        path.unlink()
