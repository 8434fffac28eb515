"""The page of what was run on which card is written by its script; this needs no card."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.gpu import checks
from tests.gpu.checks import CHECKS, LEDGER, NOT_YET, ledger, markdown

HERE = Path(__file__).resolve().parent
SCRIPT = LEDGER.parent / "make_gpu.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gpu", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


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
    made = script()
    assert made.PAGE.read_text(encoding="utf-8") == made.page()


def test_a_row_that_no_card_has_run_says_so() -> None:
    """What is written down is of rows that there are."""
    run = {row for one in ledger().values() for row in one["rows"]}
    assert run <= set(CHECKS)
    assert markdown().count(NOT_YET) == len(set(CHECKS) - run)


def test_a_report_becomes_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row holds if all of its tests have passed; what was skipped alone is not written down."""
    made, where = script(), tmp_path / "gpu.json"
    monkeypatch.setattr(checks, "LEDGER", where)
    monkeypatch.setattr(made, "LEDGER", where)
    told = {"card": "A card", "torch": "2.13.0", "cuda": "12.8"}
    found = [("scaler", "passed"), ("scaler", "failed"), ("moved", "passed"), ("resume", "skipped")]
    lines = [json.dumps({**told, "row": row, "outcome": outcome}) for row, outcome in found]
    report = tmp_path / "gpu.jsonl"
    report.write_text("\n".join(lines), encoding="utf-8")
    made.take(report)
    table = checks.markdown()
    assert table.count("A card, PyTorch 2.13.0, CUDA 12.8: held") == 1
    assert table.count("A card, PyTorch 2.13.0, CUDA 12.8: **fails**") == 1
    assert table.count(NOT_YET) == len(CHECKS) - 2
