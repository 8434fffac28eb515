"""Write docs/guarantees.md from the suite that holds every framework to the same promises.

python docs/make_guarantees.py          writes it
python docs/make_guarantees.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.guarantees.table import markdown  # noqa: E402

PAGE = ROOT / "docs" / "guarantees.md"
HEAD = """# What is guaranteed, and where

One suite drives every framework through the same runs, with the framework's own loop, checkpoints
and logs, and holds it to the same trace: *update t uses the rate of update t*. This page is
written from that suite; a cell that says *held* is a test that runs.

"""


def main() -> int:
    """Write the page, or check it."""
    text = HEAD + markdown()
    if "--check" in sys.argv:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
