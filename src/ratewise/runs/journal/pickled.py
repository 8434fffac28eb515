"""Pickles of states, for tasks of one's own whose states are no plain values.

Reading a pickle runs whatever its writer wanted. This is one of the two places of the package that
do, and `states` comes here only with bytes that this user has signed, or has said to trust.
"""

from __future__ import annotations

import pickle
from typing import Any


def to_pickle(state: Any) -> bytes:
    """Return a state as a pickle."""
    return pickle.dumps(state, protocol=5)


def from_pickle(content: bytes) -> Any:
    """Return the state in a pickle that is known to be the user's own."""
    return pickle.loads(content)
