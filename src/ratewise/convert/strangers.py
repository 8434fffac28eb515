"""Projects whose configs are known by sight and are not read, so that an error can say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import dig
from ratewise.convert.sources.unknown import Unknown

_KEYS = {
    "LearningRate.base_lr": "PaddleDetection",
    "LearningRate.schedulers": "PaddleDetection",
    "Optimizer.lr.name": "PaddleOCR or PaddleClas",
    "trainer.learning_rate_scheduler": "AllenNLP",
    "training.optimizer.learn_rate": "spaCy",
    "regime.num_steps": "fairseq2",
    "regime.max_num_steps": "fairseq2",
    "TRAIN.BASE_LR": "a config of yacs, such as that of Swin Transformer",
    "TRAIN.WARMUP_EPOCHS": "a config of yacs, such as that of Swin Transformer",
    "SOLVER.WARMUP_EPOCHS": "a config of yacs that is not detectron2's",
    "lr_policy": "a solver of Caffe",
    "__set_seed": "SpeechBrain",
}
_WORDS = {
    "[training.optimizer]": "spaCy",
    '"learning_rate_scheduler"': "AllenNLP",
    "lr_policy:": "Caffe",
    "burn_in=": "Darknet",
    "speechbrain.nnet.schedulers": "SpeechBrain",
    "JobConfig(": "torchtitan, in Python",
}


def stranger(source: Any) -> tuple[str, str] | None:
    """Return which project a config is of and by what that is seen; None if it is none of these.

    >>> stranger({"LearningRate": {"base_lr": 0.01}})
    ('PaddleDetection', 'LearningRate.base_lr')
    """
    if isinstance(source, str):
        return next(((name, word) for word, name in _WORDS.items() if word in source), None)
    if not isinstance(source, Mapping):
        return None
    for path, name in _KEYS.items():
        value = dig(source, path)
        if value is not None and not (isinstance(value, Unknown) and not value.said):
            return name, path
    return None
