"""The parts of `ratewise.lightning`; import that."""

__all__: list[str] = []
