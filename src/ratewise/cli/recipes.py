"""`ratewise recipes`: the list of recipes, and one with its rules."""

from __future__ import annotations

from typing import Annotated

import typer

from ratewise.cli.output import say


def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe; left out, all.")] = None,
) -> None:
    """List the recipes, or show one with the rules that it was built from."""
    from ratewise.advise.format import format_plan
    from ratewise.advise.recipes import cookbook, described

    for known in cookbook().values() if name is None else [described(name)]:
        say(f"{known.name}: {known.about}\n    {format_plan(known.plan)}")
        for note in known.plan.notes if name is not None else ():
            say(f"    {note}")
