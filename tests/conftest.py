"""Tasks and results that the tests of several rooms share."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("torch") is not None:
    from tests.tasks.fixtures import noisy, truth, valleys  # noqa: F401
