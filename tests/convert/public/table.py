"""Print the table of public configs: file, format, who claims it, and how far its rates are off.

python -m tests.convert.public.table
"""

from __future__ import annotations

import numpy as np

from ratewise.convert.reading import guess, read_source
from tests.convert.public.cases import CASES, path
from tests.convert.public.test_public import own, rates


def main() -> None:
    """Print a row for each config."""
    print(
        f"{'file':42} {'format':14} {'claimed by':14} {'updates':>9} {'rates off by':>12}  source"
    )
    for name, case in CASES.items():
        plan = read_source(path(name), **case.told).plan
        expected = own(name)
        off = np.max(np.abs(rates(plan, case) - expected) / max(expected.max(), 1e-300))
        claimed = guess(path(name)).name
        print(f"{name:42} {case.format:14} {claimed:14} {case.total:9} {off:12.1e}  {case.source}")


if __name__ == "__main__":
    main()
