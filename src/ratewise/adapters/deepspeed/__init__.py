"""DeepSpeed: its engine counts the updates, and its optimizer's groups hold the rates."""

__all__: list[str] = []
