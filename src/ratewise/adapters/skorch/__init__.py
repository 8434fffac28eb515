"""skorch: a callback of its nets, bound to the optimizer when an epoch begins."""

__all__: list[str] = []
