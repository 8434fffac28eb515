"""What the scripts that write a page have in common."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(page: Path, text: str) -> int:
    """Write a page; with --check return 1 if it is not what would be written, and write nothing."""
    if "--check" in sys.argv:
        return int(not page.exists() or page.read_text(encoding="utf-8") != text)
    page.write_text(text, encoding="utf-8")
    return 0
