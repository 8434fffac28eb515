"""Every row of the table of edges is right, and the page of it is what happens."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.edges.rows import Edge, table
from tests.guarantees.table import ROOT


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.kind}: {row.member}"[:70])
def test_an_edge_is_right(row: Edge) -> None:
    """What is tried is right or refused, and never wrong without a word."""
    assert row.tried()


def test_the_page_of_edges_is_what_happens() -> None:
    """docs/edges.md is written by its script from this table."""
    script = ROOT / "docs" / "make_edges.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
