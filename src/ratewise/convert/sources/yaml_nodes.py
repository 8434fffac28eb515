"""YAML: PyYAML's safe loader with a budget, whose parser is the fast one where that is there."""

from __future__ import annotations

import functools
import re
from typing import Any

from ratewise.convert.sources.limits import DEEPEST, NODES, SLOW_YAML, too_deep, too_large
from ratewise.convert.sources.unknown import Unknown
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Who

_DIRECTIVES = 20
"""Lines such as `%TAG`, which the parser compares with each other."""
_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$")
_TWICE = "tag:ratewise,twice"
_PLAIN = {"bool": "bool", "float": "float", "int": "int", "none": "null", "str": "str"}
"""Tags of Python for what YAML has too."""
_ENUM = re.compile(r"object/apply:[\w.]+\.(?:SchedulerType|IntervalStrategy|OptimizerNames)")
"""Enumerations of Transformers, each member of which is made of its word."""
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")


def read_yaml(who: Who, text: str) -> Any:
    """Return the value of a text in YAML.

    Raises:
        ScheduleError: it has too many values, aliases counted as what they stand for, or is too
            deep, or a key says two things.
    """
    if len(re.findall(r"^%", text, re.MULTILINE)) > _DIRECTIVES:
        raise ScheduleError(who, "has too many directives", f"keep {_DIRECTIVES} of them")
    import yaml

    if len(text) > SLOW_YAML and not yaml.__with_libyaml__:
        raise too_large(who, SLOW_YAML, "characters")
    loader = safe_loader()(text)
    loader.who = who
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


@functools.cache
def safe_loader() -> Any:
    """Return the loader, which also knows 1e-4 as a number, as YAML 1.2 does."""
    import yaml
    from yaml.composer import Composer
    from yaml.constructor import SafeConstructor

    quick = yaml.__with_libyaml__
    bases: tuple[Any, ...] = (Composer, yaml.CSafeLoader) if quick else (yaml.SafeLoader,)

    class Loader(*bases):  # pyright: ignore
        """Composes nodes itself, to count them; events come from the parser."""

        who: Who = "read(…)"

        def __init__(self, text: str) -> None:
            bases[-1].__init__(self, text)
            Composer.__init__(self)
            self.nodes = self.depth = 0
            self.sizes: dict[Any, int] = {}

        def compose_node(self, parent: Any, index: Any) -> Any:
            alias = self.check_event(yaml.AliasEvent)
            anchor, before = getattr(self.peek_event(), "anchor", None), self.nodes
            if alias and anchor in self.anchors and anchor not in self.sizes:
                raise ScheduleError(self.who, f"has *{anchor} inside of itself", "leave it out")
            self.nodes += self.sizes.get(anchor, 1) if alias else 1
            self.depth += 1
            if self.nodes > NODES:
                raise too_large(self.who, NODES, "values")
            if self.depth > DEEPEST:
                raise too_deep(self.who)
            node = super().compose_node(parent, index)
            self.depth -= 1
            if anchor is not None and not alias:
                self.sizes[anchor] = self.nodes - before
            return node

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            said: dict[Any, Any] = {}
            twice: set[Any] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                    continue
                before = said.setdefault((key.tag, key.value), value)
                if before is not value and not _same(before, value):
                    twice.add((key.tag, key.value))
            if twice:  # which of them is meant nobody knows
                node.value = [
                    (key, yaml.ScalarNode(_TWICE, key.value, key.start_mark, key.end_mark))
                    if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in twice
                    else (key, value)
                    for key, value in node.value
                ]
            return node

    def _same(a: Any, b: Any) -> bool:
        both = isinstance(a, yaml.ScalarNode) and isinstance(b, yaml.ScalarNode)
        return both and (a.tag, a.value) == (b.tag, b.value)

    def text_in_base_60(loader: Any, node: Any) -> Any:
        """Return 1:30 as a text: what YAML 1.1 counts to base 60 is a time to everybody else."""
        base = SafeConstructor.yaml_constructors[node.tag]
        return node.value if _BASE_60.match(str(node.value)) else base(loader, node)

    def twice(_: Any, node: Any) -> Unknown:
        """Return what a key stands for that says two things."""
        line = node.start_mark.line + 1
        return Unknown(node.value, f"line {line} is not the only one with the key: keep one")

    def untold(_: Any, name: str, node: Any) -> Unknown:
        """Return what a project's own tag stands for: nothing is made of it."""
        line = node.start_mark.line + 1
        return Unknown(f"!{name}", f"the tag of line {line} is not followed")

    def made(loader: Any, name: str, node: Any) -> Any:
        """Return what a tag of Python stands for where that is plain; nothing is made or run."""
        plain = _PLAIN.get(name)
        if plain is not None and isinstance(node, yaml.ScalarNode):
            return SafeConstructor.yaml_constructors[f"tag:yaml.org,2002:{plain}"](loader, node)
        if name in ("tuple", "list") and isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        if _ENUM.fullmatch(name) and len(items) == 1 and isinstance(items[0], yaml.ScalarNode):
            return items[0].value
        line = node.start_mark.line + 1
        return Unknown(f"!!python/{name}", f"line {line} would run code of Python")

    Loader.add_constructor(_TWICE, twice)
    Loader.add_multi_constructor("!", untold)
    Loader.add_multi_constructor("tag:yaml.org,2002:python/", made)
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))
    for kind in ("int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", text_in_base_60)
    return Loader
