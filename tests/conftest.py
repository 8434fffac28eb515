"""Tasks and results that the tests of several rooms share."""

from __future__ import annotations

import importlib.util

from hypothesis import settings

settings.register_profile("ratewise", deadline=None)  # a busy machine is no failure
settings.load_profile("ratewise")

if importlib.util.find_spec("torch") is not None:
    from tests.tasks.fixtures import noisy, truth, valleys  # noqa: F401
