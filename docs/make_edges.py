"""Write docs/edges.md from the table of edges that the tests run.

python docs/make_edges.py          writes it
python docs/make_edges.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pages import write_or_check  # noqa: E402

from tests.edges.rows import markdown  # noqa: E402

PAGE = ROOT / "docs" / "edges.md"
HEAD = """# At the edges

Where a schedule is read, resumed or logged wrongly without a word, and what ratewise does there.
Each row is a test that runs; what happens is what it saw. Logs in every trainer have their own
page, [the guarantees](guarantees.md), and so have [the formats that are read](formats.md).

"""


def main() -> int:
    """Write the page, or check it."""
    return write_or_check(PAGE, HEAD + markdown())


if __name__ == "__main__":
    sys.exit(main())
