"""Every row of the table of edges is right, and the page of it is what happens."""

from __future__ import annotations

import pytest

from tests.docs.makers import is_current
from tests.docs.snippets import ROOT
from tests.edges.rows import Edge, markdown, table


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.kind}: {row.member}"[:70])
def test_an_edge_is_right(row: Edge) -> None:
    """What is tried is right or refused, and never wrong without a word."""
    assert row.tried()


def test_the_page_of_edges_is_what_happens() -> None:
    """docs/edges.md is written by its script from this table."""
    page = (ROOT / "docs" / "edges.md").read_text(encoding="utf-8").splitlines()
    rows = markdown().splitlines()
    assert rows == page[-len(rows) :]
    assert is_current("make_edges"), "run python docs/make_edges.py"
