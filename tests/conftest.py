"""Tasks and results that the tests of several rooms share."""

from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import HUNT, examples

# A busy machine is no failure, and the same commit gets the same answer, always. Examples that no
# run has seen are drawn where somebody looks for them: `make hunt`.
settings.register_profile(
    "ratewise",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=examples(100),
    derandomize=not HUNT,
    print_blob=HUNT,
)
settings.load_profile("ratewise")

# What JAX has compiled once, in this process or in one that a test starts, is not compiled again.
COMPILED = tempfile.mkdtemp(prefix="jax-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
atexit.register(shutil.rmtree, COMPILED, ignore_errors=True)

# PyTorch would start a process that imports it once more, only to compile beside this one.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

# The user's own key, and what it signs, are not for tests.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="ratewise-")
atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)

LONGEST = (
    *("keras/test_backends.py", "guarantees/test_runs.py", "transformers/test_trace.py"),
    *("transformers/test_resume.py", "test_descriptors.py", "predict/test_intervals.py"),
    *("choose/test_resume.py", "choose/test_choose.py", "torch/test_distributed.py"),
    *("transformers/test_logs.py", "feedback/test_everywhere.py", "tasks/test_keras_task.py"),
    *("docs/test_site.py", "test_docs.py", "launch/test_scripts.py", "trainers/test_deepspeed.py"),
    *("studio/test_page.py", "view/test_report_browser.py", "fuzz/test_fuzz_logs.py"),
    *("test_examples.py", "test_pains.py", "launch/test_run.py", "runs/engines/test_ray.py"),
)
"""Files that take long: they come first, so that no worker ends with one alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by how long they take; xdist is told to leave the order as it is."""
    places = {name: place for place, name in enumerate(LONGEST)}
    root = Path(__file__).parent

    def place_of(item: pytest.Item) -> int:
        inside = item.path.is_relative_to(root)
        name = item.path.relative_to(root).as_posix() if inside else ""
        return places.get(name, len(LONGEST))

    items.sort(key=place_of)


def pytest_collection_finish() -> None:
    """Let the collector pass over what was imported: seven frameworks, millions of objects.

    Libraries that collect after each run, and tests that ask whether something is gone, would look
    at all of them every time: a second or so.
    """
    _pass_over_what_stays()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Let it pass over what a file leaves behind, too: graphs, caches, what was imported late."""
    done = yield
    if nextitem is None or nextitem.path != item.path:
        _pass_over_what_stays()
    return done


def _pass_over_what_stays() -> None:
    gc.collect()
    gc.freeze()


if importlib.util.find_spec("torch") is not None:
    from tests.tasks.fixtures import noisy, truth, valleys  # noqa: F401
