"""YAML files of bounded size and depth, with each key once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from configs.errors import BadConfig

MAX_BYTES, MAX_VALUES, MAX_DEPTH = 1_000_000, 20_000, 30
"""Limits of a file: a use case of 2,000 columns has 200 kB, 12,000 values and a depth of 6."""


def read_yaml(path: Path, missing: str) -> object:
    """Return a file's content; raise BadConfig if it is invalid or too large.

    Args:
        path: The file.
        missing: The text of the error if there is no such file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise BadConfig(f"{path}: {missing}") from error
    except OSError as error:
        raise BadConfig(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise BadConfig(f"{path}: larger than {MAX_BYTES:,} bytes; remove what is no configuration")
    try:
        return yaml.load(content.decode(), _BoundedLoader)
    except (yaml.YAMLError, ValueError) as error:  # not UTF-8, or a day like 2013-02-30
        raise BadConfig(f"{path}: not readable as YAML: {str(error)[:1000]}") from error


class _BoundedLoader(yaml.SafeLoader):
    """A safe loader that refuses keys that occur twice, and values without bound.

    Anchors and aliases are read. Each alias counts as all values that it repeats.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._level = 0
        self._extents: dict[int, tuple[int, int]] = {}  # number of values and depth, by node's id

    def scan_plain(self) -> Any:  # noqa: ANN401
        """Scan a plain text; inside braces, `log[0.01, 0.3]` is one text, as it is outside them."""
        token = super().scan_plain()
        if self.flow_level and token.value == "log" and self.peek() == "[":
            while token.value[-1] != "]" and self.peek() not in "\0\n":
                token.value += self.peek()
                self.forward()
        return token

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401
        """Compose a node, and measure it with all that it contains."""
        self._level += 1
        within = self._level <= MAX_DEPTH and len(self._extents) <= MAX_VALUES
        self._require(within, "has too many values, or is nested too deeply", self.peek_event())  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self._level -= 1
        if node is not None and id(node) not in self._extents:
            extents = [self._extents.get(id(part)) for part in _list_parts(node)]
            self._require(None not in extents, "contains itself", node)
            known = [extent for extent in extents if extent is not None]
            count = 1 + sum(count for count, _ in known)
            depth = 1 + max((depth for _, depth in known), default=0)
            self._require(
                count <= MAX_VALUES and depth <= MAX_DEPTH, "repeats too many values", node
            )
            self._extents[id(node)] = (count, depth)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401
        """Compose a mapping whose keys are all different."""
        node = super().compose_mapping_node(anchor)
        seen: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            name = (key.tag, str(key.value)[:100])
            first = seen.setdefault(name, line)
            self._require(first == line, f"names {name[1]!r} twice, also in line {first}", key)
        return node

    def _require(self, condition: bool, problem: str, place: Any) -> None:  # noqa: ANN401
        if not condition:
            raise yaml.MarkedYAMLError(problem=f"it {problem}", problem_mark=place.start_mark)


def _list_parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
