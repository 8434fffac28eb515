"""Write docs/guarantees.md from the suite that holds every framework to the same promises.

python docs/make_guarantees.py          writes it
python docs/make_guarantees.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pages import write_or_check  # noqa: E402

from tests.guarantees.table import markdown  # noqa: E402

PAGE = ROOT / "docs" / "guarantees.md"
HEAD = """# What is guaranteed, and where

One suite drives every framework through the same runs, with the framework's own loop, checkpoints
and logs, and holds it to the same trace: *update t uses the rate of update t*. This page is
written from that suite; a cell that says *held* is a test that runs.

"""


def main() -> int:
    """Write the page, or check it."""
    return write_or_check(PAGE, HEAD + markdown())


if __name__ == "__main__":
    sys.exit(main())
