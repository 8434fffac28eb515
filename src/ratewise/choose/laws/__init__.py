"""Loss-curve laws: from a few runs to the loss under any schedule."""

from ratewise.choose.laws.curve import Curve
from ratewise.choose.laws.fit import Fit, Prediction
from ratewise.choose.laws.fitting import fit
from ratewise.choose.laws.logs import read_curves

__all__ = ["Curve", "Fit", "Prediction", "fit", "read_curves"]
