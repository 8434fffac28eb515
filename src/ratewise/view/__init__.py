"""Numbers to pictures and tables: terminal, matplotlib, HTML. Reads nothing, decides nothing.

It is told plain numbers and texts, and imports no other room: a result hands its fields over. A
thing that is drawn has one file, with its figure and its picture for the terminal.
"""

__all__: list[str] = []
