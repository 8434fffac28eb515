"""What the commands of `ratewise.cli` are made of."""

__all__: list[str] = []
