"""What holds in which trainer, and by which test; `docs/trainers.md` is made from it.

A test says what it holds with a mark above it, which is read and not run, so that the page can be
made where none of the trainers is installed:

    @held("fastai", "rates exact")
    def test_every_update_has_its_rate(): ...

What does not apply is said beside it, `without("ignite", "YAML", "it has no file of config")`, and
what holds by a test of another folder, `elsewhere("lightning", "YAML", "tests/…::test_…")`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent

COLUMNS = (
    "rates exact",
    "log right",
    "optimizer alone, loaded first",
    "optimizer alone, loaded behind",
    "resume by our state",
    "killed and resumed",
    "metric heard",
    "YAML",
)

Test = TypeVar("Test", bound=Callable[..., object])


@dataclass(frozen=True)
class Held:
    """One cell of the table.

    Attributes:
        trainer: Whose row it is.
        column: One of `COLUMNS`.
        test: The test that holds it, as pytest writes it; empty where it does not apply.
        note: What to know of it; where it does not apply, why.
    """

    trainer: str
    column: str
    test: str
    note: str = ""


def held(trainer: str, column: str, note: str = "") -> Callable[[Test], Test]:
    """Mark a test as the one that holds a column for a trainer."""
    return lambda test: test


def without(trainer: str, column: str, why: str) -> None:
    """Say why a column does not apply to a trainer."""


def elsewhere(trainer: str, column: str, test: str, note: str = "") -> None:
    """Say that a test of another folder holds a column for a trainer."""


def collect() -> list[Held]:
    """Return every cell that the files of this folder speak of, in the order of their names."""
    files = sorted(path for path in FOLDER.glob("*.py") if path.name != "ledger.py")
    return [cell for path in files for cell in _cells(path)]


def _cells(path: Path) -> Iterator[Held]:
    place = path.relative_to(ROOT).as_posix()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if (said := _said(mark, "held")) is not None:
                    trainer, column, *note = said
                    yield Held(trainer, column, f"{place}::{node.name}", *note)
        elif isinstance(node, ast.Expr):
            if (said := _said(node.value, "without")) is not None:
                trainer, column, why = said
                yield Held(trainer, column, "", why)
            if (said := _said(node.value, "elsewhere")) is not None:
                yield Held(*said)


def _said(node: ast.expr, name: str) -> list[str] | None:
    """Return the literal arguments of a call of `name`; None if it is another expression."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != name:
        return None
    return [ast.literal_eval(word) for word in [*node.args, *(k.value for k in node.keywords)]]
