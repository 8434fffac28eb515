"""The page of what was run on which card is written by its script; this needs no card."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

from tests.gpu.checks import CHECKS, LEDGER, NOT_YET, ledger, markdown

HERE = Path(__file__).resolve().parent
SCRIPT = LEDGER.parent / "make_gpu.py"


def test_every_row_is_a_test() -> None:
    """And every test of a card is a row."""
    found = {
        node.name.removeprefix("test_")
        for path in (HERE / "test_graphs.py", HERE / "test_trainers.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert found == set(CHECKS)


def test_the_page_is_what_the_ledger_says() -> None:
    """docs/gpu.md holds the table that the script makes of docs/gpu.json."""
    script = runpy.run_path(str(SCRIPT))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()


def test_a_row_that_no_card_has_run_says_so() -> None:
    """What is written down is of rows that there are."""
    run = {row for one in ledger().values() for row in one["rows"]}
    assert run <= set(CHECKS)
    assert markdown().count(NOT_YET) == len(set(CHECKS) - run)
