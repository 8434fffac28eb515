"""Tasks and results that the tests of several rooms share."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile

from hypothesis import settings

from tests.examples import examples

# A busy machine is no failure.
settings.register_profile("ratewise", deadline=None, max_examples=examples(120))
settings.load_profile("ratewise")

# What JAX has compiled once, in this process or in one that a test starts, is not compiled again.
COMPILED = tempfile.mkdtemp(prefix="jax-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
atexit.register(shutil.rmtree, COMPILED, ignore_errors=True)

# The user's own key, and what it signs, are not for tests.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="ratewise-")
atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)

if importlib.util.find_spec("torch") is not None:
    from tests.tasks.fixtures import noisy, truth, valleys  # noqa: F401
