"""Print what a framework did beside what ratewise did, and keep both for whoever asks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def show(
    title: str,
    theirs: Mapping[str, Sequence[Any]],
    ours: Mapping[str, Sequence[Any]],
    *,
    lesson: str,
    right: bool,
    bitten: bool,
) -> None:
    """Print a table of rates, or the same as JSON with `--json`, and end the script.

    Args:
        title: What the pain is.
        theirs: What the framework's own scheduler did, by name.
        ours: What ratewise did.
        lesson: What there is to see, in a sentence.
        right: Whether ratewise did what it says; otherwise the script fails.
        bitten: Whether the framework still shows the pain; otherwise the script fails too, so
            that nothing is said of it that is no longer so.
    """
    if "--json" in sys.argv:
        print(json.dumps({"theirs": _plain(theirs), "ours": _plain(ours), "lesson": lesson}))
    else:
        print(f"{title}\n")
        width = max(map(len, [*theirs, *ours]))
        for who, rows in (("the framework", theirs), ("ratewise", ours)):
            print(f"  {who}")
            for name, values in rows.items():
                print(f"    {name:<{width}}  {'  '.join(map(_cell, values))}")
        print(f"\n{lesson}")
    if not right:
        sys.exit("ratewise did not do what this script says")
    if not bitten:
        sys.exit("the framework no longer does what this script says")


def _cell(value: Any) -> str:
    return f"{value:<9.4g}" if isinstance(value, float) else str(value)


def _plain(rows: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {
        name: [v if isinstance(v, int | str) else float(v) for v in values]
        for name, values in rows.items()
    }
