"""Loss-curve laws: from a few runs to the loss under any schedule."""

from ratewise.choose.laws.curve import Curve
from ratewise.choose.laws.fit import Fit, Prediction
from ratewise.choose.laws.fitting import fit

__all__ = ["Curve", "Fit", "Prediction", "fit"]
