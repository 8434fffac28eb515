"""Loss-curve laws: from a few runs to the loss under any schedule."""

from ratewise.predict.api import fit
from ratewise.predict.bound import Bound, bound
from ratewise.predict.refine import refine
from ratewise.predict.result import Fit, Prediction
from ratewise.predict.transfer import Transfer, transfer

__all__ = ["Bound", "Fit", "Prediction", "Transfer", "bound", "fit", "refine", "transfer"]
