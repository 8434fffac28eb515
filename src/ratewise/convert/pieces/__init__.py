"""One library of pieces, from which the readers of configs are put together."""

__all__: list[str] = []
