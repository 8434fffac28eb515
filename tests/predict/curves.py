"""Published loss curves of language models of two sizes; see tests/data/loss_curves/LICENSE."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from ratewise.choose import Curve

DATA = Path(__file__).parents[1] / "data" / "loss_curves"
TRAIN = ("cosine_24000", "constant_24000", "wsdcon_9")
TEST = (
    "constant_72000",
    "cosine_72000",
    "wsd_20000_24000",
    "wsdld_20000_24000",
    "wsdcon_3",
    "wsdcon_18",
)
SIZES = (25, 100)


@cache
def load(size: int, name: str) -> Curve:
    """Return a curve; the point at the very end of the short ones is of a new epoch."""
    table = np.loadtxt(DATA / f"csv_{size}" / f"{name}.csv", delimiter=",", skiprows=1)
    if "24000" in name:
        table = table[table[:, 0] < 24000]
    return Curve(*table.T, name=name, warmup=2160)


def predicted(law, curve):
    """Return what a law says at the points of a curve."""
    return law.losses(curve.every_rate)[curve.steps.astype(int) - 1]


def mean_error(law, size, names=TEST):
    """Return the mean over curves of the mean absolute error."""
    curves = [load(size, name) for name in names]
    return float(np.mean([np.abs(predicted(law, one) - one.losses).mean() for one in curves]))
