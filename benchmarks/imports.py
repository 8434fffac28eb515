"""What `import ratewise` costs over `import numpy`, each in fresh processes.

Target: at most 40 ms more, and nothing heavier than numpy loaded.

    python benchmarks/imports.py [ROUNDS]
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 21
TARGET = 40.0
TIMER = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
STRANGERS = (
    "import sys, numpy; before = set(sys.modules); import ratewise; "
    "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} "
    "- sys.stdlib_module_names - {'ratewise', 'numpy'}))"
)
SLOWEST = 5


CACHE = tempfile.TemporaryDirectory()


def fresh(*words: str) -> subprocess.CompletedProcess[str]:
    # Compiled once, as an installed package is, whatever the environment says of caches.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = CACHE.name
    command = [sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env)


def milliseconds(module: str) -> float:
    return 1e3 * float(fresh("-c", TIMER.format(module)).stdout)


def slowest() -> list[tuple[float, str]]:
    """Return the modules that take most time by themselves behind numpy, in milliseconds."""
    lines = fresh("-X", "importtime", "-c", "import numpy; import ratewise").stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in lines if "|" in line]
    names = [row[2].strip() for row in rows]
    behind = rows[names.index("numpy") + 1 :]
    return sorted(((int(own) / 1e3, name.strip()) for own, _, name in behind), reverse=True)


def main() -> None:
    milliseconds("ratewise")  # fills the caches
    pairs = [(milliseconds("numpy"), milliseconds("ratewise")) for _ in range(ROUNDS)]
    numpy, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    more = statistics.median(b - a for a, b in pairs)
    strangers = fresh("-c", STRANGERS).stdout.split()
    print(f"fresh processes in turns, median of {ROUNDS}; no randomness, so no seed")
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {platform.system()}, Python {platform.python_version()}")
    print(f"import numpy {numpy:.0f} ms, import ratewise {ours:.0f} ms, ratio {ours / numpy:.2f}")
    print(f"slowest behind numpy: {', '.join(f'{n} {ms:.1f} ms' for ms, n in slowest()[:SLOWEST])}")
    print(f"modules from elsewhere: {', '.join(strangers) or 'none'} (target none)")
    verdict = "reached" if more <= TARGET and not strangers else "missed"
    print(f"numpy + {more:.0f} ms (target numpy + {TARGET:.0f} ms): {verdict}")


if __name__ == "__main__":
    main()
