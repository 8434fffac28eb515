"""The table of guarantees is whole, and every test it names is there."""

from __future__ import annotations

import pytest

from tests.docs.makers import is_current
from tests.guarantees.drivers import FRAMEWORKS
from tests.guarantees.table import GUARANTEES, functions


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda one: one.claim[:40])
def test_every_cell_is_held_by_a_test_or_says_why_not(guarantee, name):
    """No cell is empty: there is a test function of that name in that file, or a reason."""
    kind, what = guarantee.cell(name)
    if kind == "held":
        path, _, test = what.partition("::")
        assert test in functions(path)
    else:
        assert len(what.split()) >= 5


def test_the_suite_runs_for_every_framework_that_the_table_says():
    """What the table names of the one suite is parametrised over those frameworks."""
    import tests.guarantees.test_runs as runs

    for guarantee in GUARANTEES:
        for name in FRAMEWORKS:
            kind, what = guarantee.cell(name)
            if kind == "held" and what.startswith("tests/guarantees/test_runs.py"):
                function = getattr(runs, what.partition("::")[2])
                values = [
                    value
                    for mark in function.pytestmark
                    if mark.name == "parametrize" and mark.args[0] == "name"
                    for value in mark.args[1]
                ]
                assert name in values


def test_the_page_is_what_the_suite_says():
    """`docs/guarantees.md` is up to date."""
    assert is_current("make_guarantees"), "run python docs/make_guarantees.py"
