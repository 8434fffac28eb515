"""What the tests of configs share: comparing rates, and common strategies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ratewise.convert.formats import Format, RunFacts
from ratewise.schedule import Plan
from ratewise.schedule.lengths import Horizon
from tests.examples import examples

many = settings(
    max_examples=examples(200, least=200),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
"""Many parameterisations of every scheduler, at least 200."""

some = settings(many, max_examples=50)
"""Fewer, where every example runs a framework."""

rates = st.sampled_from([3e-4, 1.0, 1e-3, 0.1]) | st.floats(1e-6, 10)
shares = st.sampled_from([0.0, 1.0, 0.1, 0.5]) | st.floats(1e-6, 1)
warmups = st.sampled_from([0, 1, 2, 3]) | st.integers(0, 60)
lengths = st.sampled_from([1, 2, 3, 10]) | st.integers(1, 200)
powers = st.sampled_from([1.0, 0.5, 2.0]) | st.floats(0.2, 4)


def read(
    formats: tuple[Format, ...],
    source: Any,
    total: int | None = None,
    *,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    **more: Any,
) -> Plan:
    """Read a source as the one format of a module, which has to know it as its own."""
    (form,) = formats
    assert form.matches(source)
    return form.read(source, RunFacts(Horizon.of(total, epoch, samples, tokens), more))


def agree(plan: Plan, expected: Sequence[float], *, key: str = "lr", slack: float = 1e-14) -> None:
    """Check a plan's values at every update, to 1e-12 of each and a little of the peak.

    Near the foot of a decay the frameworks' own formulas cancel, 1 + cos(πp) or b + p·(m - b):
    there the last bits are those of the peak.
    """
    got = plan.rates(len(expected), key=key)
    top = max([plan.peak[key], *map(abs, expected)])
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=slack * top)
