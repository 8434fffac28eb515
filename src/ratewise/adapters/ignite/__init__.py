"""PyTorch Ignite: a handler on the engine that trains, and one on the engine that evaluates."""

__all__: list[str] = []
