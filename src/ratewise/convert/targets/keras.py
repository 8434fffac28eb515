"""Keras: a schedule class over `keras.ops`, for every backend."""

from __future__ import annotations

from ratewise.convert.targets._functions import Functions
from ratewise.convert.targets._levels import formulas
from ratewise.convert.targets._print import KERAS
from ratewise.convert.targets._text import Target, WritingJob, file, header, only_rate

REAL = '''\
def real(x):
    """Return a whole number as a float."""
    return ops.cast(x, "float32")
'''

CLASS = '''\
@keras.saving.register_keras_serializable(package="schedules")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of each update: the peak rate times the level.

    Args:
        peak: Rate at level 1.
    """

    def __init__(self, peak: float{default}):
        super().__init__()
        self.peak = peak

    def __call__(self, step):
        return self.peak * level(ops.cast(step, "int32"))

    def get_config(self):
        return {{"peak": self.peak}}
'''


def write(job: WritingJob) -> str:
    """Return the file."""
    fix = "write it for torch, or set the others with a callback of yours"
    rate, left_out = only_rate(job, "a Keras optimizer", fix)
    assert rate is not None
    functions = Functions(KERAS)
    doc = "Return the level of update `t`: what the peak rate is multiplied by."
    functions.add("level", formulas(rate), doc)
    peak = job.plan.peak.get("lr")
    use = "Use, as the rate of the optimizer that you train with:"
    rate_of = f"    learning_rate=Schedule({'peak=…' if peak is None else ''})"
    top = header("Learning rates for Keras, one for each update.", job, [*left_out, use, rate_of])
    needs = any("real(" in text for text in functions.texts)
    math = "import math\n\n" if any("math." in text for text in functions.texts) else ""
    default = "" if peak is None else f" = {peak!r}"
    parts = [f"{math}import keras\nfrom keras import ops", REAL if needs else "", *functions.texts]
    return file(top, *parts, CLASS.format(default=default))


TARGET = Target("keras", "Keras code", write)
