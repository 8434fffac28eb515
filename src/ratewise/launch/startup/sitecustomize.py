"""Imported by every Python that `ratewise run` starts; then the one that it hides is run."""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _run_hidden() -> None:
    """Run the `sitecustomize` that would have been imported without this one."""
    others = [path for path in sys.path if os.path.abspath(path or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_run_hidden()

try:
    from ratewise.launch.hooks import install
except ImportError:
    sys.stderr.write("ratewise run: this Python has no ratewise, so nothing is attached here\n")
else:
    install()
