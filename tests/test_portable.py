"""The package runs where POSIX ends: no module of it needs what only such a system has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"

ELSEWHERE = """
import importlib, os, sys

POSIX = {"fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
CALLS = ("sched_getaffinity", "sched_setaffinity", "fork", "forkpty", "getuid", "geteuid", "getgid",
         "getpgid", "killpg", "setsid", "mkfifo", "uname")
FRAMEWORKS = {"torch", "keras", "tensorflow", "jax", "optax", "transformers", "lightning"}


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in POSIX:
            raise ImportError(f"no {name} here", name=name)


def broken(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        missed = "pip install 'ratewise[" in str(error) or error.name in FRAMEWORKS
        return "" if missed else f"{name}: {error!r}"
    except Exception as error:
        return f"{name}: {error!r}"
    return ""


# Frameworks know what system this is, so they are loaded before it goes; ours are loaded again.
for name in sys.argv[1:]:
    broken(name)
for name in list(sys.modules):
    if name in POSIX or name.partition(".")[0] in ("ratewise", "filelock"):
        del sys.modules[name]
sys.meta_path.insert(0, Missing())
for call in CALLS:
    if hasattr(os, call):
        delattr(os, call)
print(*filter(None, map(broken, sys.argv[1:])), sep="\\n")

from ratewise.runs.engines.config import count_cores
assert count_cores() >= 1
"""


def modules() -> list[str]:
    """Return the names of all modules of the package."""
    names: list[str] = []
    for path in sorted((SOURCE / "ratewise").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if not name.endswith("__main__")]


def test_every_module_is_imported_without_what_only_posix_has() -> None:
    """Modules as on Windows, calls as on Windows and macOS; a framework may be missing."""
    command = [sys.executable, "-c", ELSEWHERE, *modules()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
