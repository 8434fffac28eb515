"""PyTorch: the clock that counts committed updates, the groups it writes, the state it saves."""

__all__: list[str] = []
