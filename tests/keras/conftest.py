"""Each file but `test_backends` runs in a process of its own for each backend of Keras."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("keras")

if "KERAS_BACKEND" not in os.environ:
    collect_ignore_glob = ["tools.py", "test_[!b]*.py"]
