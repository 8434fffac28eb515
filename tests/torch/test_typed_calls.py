"""A type checker accepts what run time accepts, and tells one scheduler from several."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ratewise as rw

typed_calls = pytest.importorskip("tests.torch.typed_calls")


def test_run_time_accepts_them() -> None:
    """And refuses what is marked, with an error of ours."""
    typed_calls.one()
    typed_calls.several()
    for call in typed_calls.refused():
        with pytest.raises(rw.ScheduleError):
            call()


@pytest.mark.slow
def test_pyright_accepts_them() -> None:
    """Without an error; a mark where it has nothing to refuse would be one."""
    pytest.importorskip("pyright")
    file = Path(__file__).with_name("typed_calls.py")
    command = [sys.executable, "-m", "pyright", "--outputjson", str(file)]
    report: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True).stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    assert [one["message"] for one in report["generalDiagnostics"]] == []
