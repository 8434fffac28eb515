"""Draw the figures of the pages, by running the code that the pages show.

python docs/make_figures.py          runs every page that draws, and keeps what it drew
python docs/make_figures.py PAGE …   the same for some pages
python docs/make_figures.py --check  says whether every figure was drawn by its page as it is
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.docs import snippets  # noqa: E402

DRAWN = ROOT / "docs" / "images" / "drawn"


def draw(page: Path) -> None:
    """Run the code of a page, and keep its figures; each time they have the same bytes."""
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = "ratewise"
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    os.environ["OMP_NUM_THREADS"] = "1"
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            snippets.run(page)
            for name in snippets.figures(page):
                text = Path(name).read_text(encoding="utf-8")
                head, rest = text.split("\n", 1)  # the declaration has to come first
                stamped = f"{head}\n{snippets.stamp(page, name)}{rest}"
                (DRAWN / name).write_text(stamped, encoding="utf-8")
        finally:
            os.chdir(before)


def current(page: Path) -> bool:
    """Return whether the figures of a page are there, and were drawn by its code."""
    return all(
        (DRAWN / name).exists()
        and snippets.stamp(page, name) in (DRAWN / name).read_text(encoding="utf-8")
        for name in snippets.figures(page)
    )


def main() -> int:
    """Draw, or check."""
    asked = {Path(word).resolve() for word in sys.argv[1:] if word != "--check"}
    pages = [page for page in snippets.PAGES if snippets.figures(page)]
    if "--check" in sys.argv:
        return int(not all(map(current, pages)))
    DRAWN.mkdir(parents=True, exist_ok=True)
    for page in pages:
        if not asked or page in asked:
            draw(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
