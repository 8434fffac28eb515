"""Lightning: what attaches, listens and checks."""

__all__: list[str] = []
