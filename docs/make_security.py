"""Write the figures of the attacks into docs/security.md, from the report of a run.

`make fuzz` does both: the tests in tests/fuzz write a report where RATEWISE_FUZZ_REPORT says so.

python docs/make_security.py report.jsonl  writes its figures into the page
python docs/make_security.py --check       says whether the page has a place for them
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent / "security.md"
BEGIN, END = "<!-- figures: attacks -->", "<!-- end of figures -->"
HEAD = "| what was attacked | tried | refused | worst time | memory added |"
RULE = "|---|---:|---:|---:|---:|"


def table(rows: list[dict[str, Any]], day: str) -> str:
    """Return the figures as a table, one line for each kind; a kind's later report counts."""
    kinds = {row["kind"]: row for row in rows}
    lines = [
        f"| {row['kind']} | {row['tried']:,} | {row['refused']:,} | {row['seconds']:.3f} s "
        f"| {row['megabytes']:.0f} MB |"
        for row in kinds.values()
    ]
    total = sum(row["tried"] for row in kinds.values())
    said = f"A run of {day}, {total:,} cases in all; not one ended in anything but these two."
    return "\n".join([said, "", HEAD, RULE, *lines])


def main() -> int:
    """Write the figures, or check that there is a place for them."""
    page = PAGE.read_text(encoding="utf-8")
    place = re.compile(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", re.DOTALL)
    if "--check" in sys.argv:
        return int(place.search(page) is None)
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    made = table([json.loads(line) for line in lines], time.strftime("%Y-%m-%d"))
    PAGE.write_text(place.sub(lambda _: f"{BEGIN}\n{made}\n{END}", page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
