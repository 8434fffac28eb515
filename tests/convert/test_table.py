"""The table of shapes in frameworks, every row of it run."""

from __future__ import annotations

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import read
from ratewise.convert.table import CONFIGS, ROWS, TOTAL
from tests.convert.oracles import config, live
from tests.docs.makers import is_current


def name(row):
    return f"{row.framework}: {row.there[:40]}"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_row_reads_as_what_the_framework_does(row):
    """What a row is read as has the framework's own rate at every update."""
    if row.framework != "timm":  # which is imported in part, by the oracle
        pytest.importorskip({"ignite": "ignite.handlers"}.get(row.framework, row.framework))
    source, measure, precision = live(row)
    rates = measure()
    plan = read(source, total=TOTAL)
    peak = plan.peak.get("lr", 1.0)
    mine = peak * plan.lr.resolve(TOTAL).values()
    np.testing.assert_allclose(mine, rates, rtol=precision, atol=precision * rates.max())
    assert rw.parse(repr(plan)) == plan


@pytest.mark.parametrize("row", CONFIGS, ids=name)
def test_a_config_is_recognised_and_read(row):
    """The format of a config is guessed, and its plan covers the run with finite rates."""
    more = {"warmup_steps": 50, "base_learning_rate": 0.5} if row.framework == "factors" else {}
    plan = read(config(row), total=TOTAL, **more)
    levels = plan.lr.resolve(TOTAL).values()
    assert levels.shape == (TOTAL,)
    assert np.isfinite(levels).all()
    assert rw.parse(repr(plan)) == plan


def test_the_page_of_formats_is_what_the_table_says():
    """`docs/formats.md` is up to date."""
    assert is_current("make_formats"), "run python docs/make_formats.py"
