"""The page on real records says what is seen in them now."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOGS = Path(
    os.environ.get("RATEWISE_TRAINER_LOGS", ROOT.parent / "shared" / "data" / "trainer_logs")
)


def test_the_page_is_what_is_seen():
    """docs/log-signs.md, made anew from the records; of those foreseen most are inside, not all."""
    if not LOGS.exists():
        pytest.skip("the records are not here")
    spec = importlib.util.spec_from_file_location("make", ROOT / "docs" / "make_log_signs.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.page(LOGS) == make.PAGE.read_text(encoding="utf-8")
