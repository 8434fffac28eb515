"""The ledger names tests that are there, and columns that exist, once each."""

from __future__ import annotations

import ast
from collections import Counter

from tests.trainers.ledger import COLUMNS, ROOT, collect


def test_every_cell_is_a_test_or_says_why_not() -> None:
    """No cell names what is not there, and none is given twice."""
    cells = collect()
    assert {cell.column for cell in cells} <= set(COLUMNS)
    places = Counter((cell.trainer, cell.column) for cell in cells)
    assert [place for place, count in places.items() if count > 1] == []
    for cell in cells:
        path, _, test = cell.test.partition("::")
        if path:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert test in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        else:
            assert len(cell.note.split()) >= 4


def test_no_row_is_left_open() -> None:
    """A trainer that has one cell has them all."""
    rows: dict[str, set[str]] = {}
    for cell in collect():
        rows.setdefault(cell.trainer, set()).add(cell.column)
    assert {
        name: sorted(set(COLUMNS) - row) for name, row in rows.items() if len(row) < len(COLUMNS)
    } == {}


def test_an_example_has_at_most_25_lines() -> None:
    """Of each trainer there is one, short enough to be seen at once."""
    examples = sorted((ROOT / "examples" / "trainers").glob("*.py"))
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in examples}
    assert {name: length for name, length in lengths.items() if length > 25} == {}
    names = {name.partition("_")[0] for name in lengths}
    rows = {cell.trainer.lower().partition(" ")[0] for cell in collect() if "test_" in cell.test}
    assert {"fastai", "skorch", "ignite", "deepspeed", "composer", "timm", "fabric"} <= names & rows
