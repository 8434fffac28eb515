"""The whole way on a cluster of Ray."""

from __future__ import annotations

import numpy as np
import pytest

from ratewise.choose import choose
from tests.choose.choosing.valley import Valley

ray = pytest.importorskip("ray")


@pytest.mark.slow
def test_on_a_cluster_runs_end_with_the_same_bits() -> None:
    """Asked for four at a time and trained by Ray, each run is the one that it is alone."""
    options = {"total": 60, "seeds": 2, "peaks": [0.05, 0.1, 0.2], "budget": 600}
    here = choose(Valley(), **options)  # type: ignore[arg-type]
    try:
        there = choose(Valley(), engine="ray", **options)  # type: ignore[arg-type]
    finally:
        ray.shutdown()
    known = {(t.name, t.peak): t.metric for t in here.trials}
    both = [t for t in there.trials if (t.name, t.peak) in known]
    assert len(both) >= 3
    assert np.array_equal(
        [known[t.name, t.peak] for t in both], [t.metric for t in both], equal_nan=True
    )
    assert there.trained <= there.budget
