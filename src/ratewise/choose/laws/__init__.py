"""Loss-curve laws: from a few runs to the loss under any schedule."""

from ratewise.choose.laws.bound import Bound, bound
from ratewise.choose.laws.curve import Curve
from ratewise.choose.laws.fit import Fit, Prediction
from ratewise.choose.laws.fitting import fit
from ratewise.choose.laws.logs import read_curves
from ratewise.choose.laws.refine import refine
from ratewise.choose.laws.transfer import Transfer, transfer

__all__ = [
    "Bound",
    "Curve",
    "Fit",
    "Prediction",
    "Transfer",
    "bound",
    "fit",
    "read_curves",
    "refine",
    "transfer",
]
