"""A choice fits laws to its first runs, which takes most of its time; here each is fitted once."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from ratewise.choose import search

Laws = dict[bytes, Any]


@pytest.fixture(scope="session")
def laws() -> Laws:
    """What was fitted so far; a test that wants it done again clears it."""
    return {}


@pytest.fixture(scope="session", autouse=True)
def _fitted_once(laws: Laws) -> Iterator[None]:
    """What a law says is a function of the runs that it is fitted to, and of those asked about."""
    fitted = search.law_prior

    def law_prior(records: Any, runs: Any) -> Any:
        known = [(one.rates.tobytes(), one.losses.tobytes(), one.diverged) for one in records]
        key = pickle.dumps((known, [rates.tobytes() for rates in runs]))
        if key not in laws:
            laws[key] = fitted(records, runs)
        return laws[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "law_prior", law_prior)
        yield
