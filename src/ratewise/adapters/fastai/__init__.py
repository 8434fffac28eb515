"""fastai: a callback of its learners, over its own optimizers and those of PyTorch."""

__all__: list[str] = []
