"""The page of causes is what the code says, and what it shows is what the audit finds."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from ratewise.audit.fixes import FIXES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> ModuleType:
    place = ROOT / "docs" / "make_audit.py"
    spec = importlib.util.spec_from_file_location("make_audit", place)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_is_up_to_date(page: ModuleType) -> None:
    """It is written from the words of the code, and has a row and a figure for every cause."""
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert text == page.markdown(), "run python docs/make_audit.py"
    assert set(page.LOOKS) == set(FIXES)
    figures = re.findall(r"\((images/audit-[\w-]+\.png)\)", text)
    assert len(figures) == len(FIXES)
    assert [name for name in figures if not (ROOT / "docs" / name).is_file()] == []


def test_each_example_of_the_page_is_found(page: ModuleType) -> None:
    """The log behind each figure is named by the word of its row."""
    found = {kind: page.example(kind).cause for kind in page.LOOKS}
    wrong = {kind: cause for kind, cause in found.items() if cause is None or cause.kind != kind}
    assert wrong == {}
