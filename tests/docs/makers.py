"""The scripts that write pages from the code, run where the frameworks are imported already."""

from __future__ import annotations

import os
import runpy
import sys
from unittest import mock

import pytest

from tests.docs.snippets import ROOT


def is_current(name: str) -> bool:
    """Whether `python docs/NAME.py --check` says that its pages are what it would write."""
    script = ROOT / "docs" / f"{name}.py"
    words, paths = [str(script), "--check"], [str(script.parent), *sys.path]
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.object(sys, "path", paths),
        mock.patch.dict(os.environ),
        pytest.raises(SystemExit) as ended,
    ):
        runpy.run_path(str(script), run_name="__main__")
    return not ended.value.code
