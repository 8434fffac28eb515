"""Reading a file as every format that it is not in."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ratewise.convert.reading import formats, read_source
from ratewise.convert.sources import load
from ratewise.schedule import ScheduleError


def check_other_readers(
    file: Path, own: str, told: Mapping[str, Any], at: Sequence[int], wanted: Sequence[float]
) -> None:
    """Require that every other reader refuses a file, or gives its rates at some updates."""
    content = load(file)
    for other in sorted({*formats()} - {own}):
        with contextlib.suppress(ScheduleError):
            plan = read_source(content, format=other, **{"total": at[-1] + 1, **told}).plan
            rates = plan.rates(at[-1] + 1)[list(at)]
            np.testing.assert_allclose(rates, wanted, rtol=1e-9, atol=1e-16, err_msg=other)
