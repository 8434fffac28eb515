"""Write the table of docs/gpu.md from what the tests of a card have come to.

python docs/make_gpu.py REPORT   puts a report of `make test-gpu` into docs/gpu.json, and writes it
python docs/make_gpu.py          writes it
python docs/make_gpu.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.gpu.checks import LEDGER, ledger, markdown  # noqa: E402

PAGE = ROOT / "docs" / "gpu.md"
BEGIN, END = "<!-- written by docs/make_gpu.py -->", "<!-- until here -->"


def page() -> str:
    """Return the page with the table of today."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


def take(report: Path) -> None:
    """Put a report into the ledger; a row holds if all of its tests have passed."""
    runs = ledger()
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    for card in {line["card"] for line in lines}:
        mine = [line for line in lines if line["card"] == card]
        outcomes: dict[str, set[str]] = {}
        for line in mine:
            outcomes.setdefault(line["row"], set()).add(line["outcome"])
        rows = {row: _told(found) for row, found in sorted(outcomes.items())}
        rows = {row: told for row, told in rows.items() if told}
        versions = {"torch": mine[-1]["torch"], "cuda": mine[-1]["cuda"]}
        runs[card] = {**versions, "rows": rows}
    LEDGER.write_text(json.dumps(runs, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _told(outcomes: set[str]) -> str | None:
    if "failed" in outcomes:
        return "**fails**"
    return "held" if "passed" in outcomes else None


def main() -> int:
    """Write the page, or check it."""
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != page())
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]))
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
