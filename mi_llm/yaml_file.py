"""YAML as people type it, read with clear errors, bounded in time and memory.

A thousand characters of YAML can stand for a thousand million values (an alias of aliases), and
its scalars can become what Python cannot make: the 99th of a month, a number of 5,000 digits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from mi_llm import files
from mi_llm.errors import InputError

MOST_VALUES = 20_000  # about 600 profiles
_MOST_BYTES = 2 << 20
_DEEPEST = 100
_LONG = 100  # characters
_BITS = 63
_STANDARD = "tag:yaml.org,2002:"
_KINDS = {"null", "bool", "int", "float", "timestamp", "str", "seq", "map", "merge"}


def read(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        InputError: If it is missing, not UTF-8, too large, or `parsed` refuses it.
    """
    with files.reading(path) as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path}: larger than {_MOST_BYTES >> 20} MB, too large for a YAML file")
    return parsed(path, files.decoded(path, data))


def parsed(where: object, text: str) -> Any:
    """The value of a YAML text: lists, mappings and YAML's plain scalars.

    Args:
        where: What it is from, for messages.
        text: One document.

    Raises:
        InputError: If it is not YAML; names a key twice in one mapping; holds more than
            `MOST_VALUES` values, each counted as often as aliases repeat it, or lists in lists 100
            deep; or has a scalar that cannot be, such as a 13th month or a number over 64 bits.
    """
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}" if mark else ""
        what = ": ".join(filter(None, (error.context, error.problem)))
        raise InputError(f"{where}{place}: not YAML: {what}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sign = f"{ord(text[error.position]):#04x}"
        raise InputError(f"{where}:{line}: not YAML: control character {sign}; delete it") from None
    except (ValueError, OverflowError) as error:  # of chr() and int() in the scanner
        line = loader.line + 1 if loader else 1
        raise InputError(f"{where}:{line}: not YAML that can be read: {error}") from None


class _Loader(yaml.SafeLoader):
    """YAML's plain types; what is too much or cannot be is refused with its line."""

    def __init__(self, text: str) -> None:
        self._depth = 0
        self._sizes: dict[int, int] = {}  # values in a node, by its id; nodes live as long as this
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # a gap in the stubs
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _error("nested too deep", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if not isinstance(event, yaml.AliasEvent):
            self._sizes[id(node)] = self._size(node)
        elif id(node) not in self._sizes:
            what = f"*{event.anchor} stands inside what it repeats"
            raise _error(what, event.start_mark)
        if max(self._sizes[id(node)], len(self._sizes)) > MOST_VALUES:
            what = f"more than {MOST_VALUES:,} values, aliases followed; make it smaller"
            raise _error(what, event.start_mark)
        return node

    def _size(self, node: yaml.Node) -> int:
        """How many values a node holds, aliases followed; a long text counts as several."""
        if isinstance(node, yaml.ScalarNode):
            return 1 + len(node.value) // _LONG
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        return 1 + sum(self._sizes[id(part)] for part in parts)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind = node.tag.removeprefix(_STANDARD)
        if kind not in _KINDS:
            raise _error(f"tag {node.tag!r}; leave it out", node.start_mark)
        if kind in ("int", "float") and len(str(node.value)) > _LONG:
            raise _error(f"{_short(node)}: number too long", node.start_mark)
        try:
            value = super().construct_object(node, deep=deep)
        except yaml.YAMLError:
            raise
        except Exception:  # whatever int(), date() and their like say of a text that is none
            value = None
        if isinstance(node, yaml.ScalarNode) and kind != "null" and value is None:
            what = f"{_short(node)} cannot be read as {kind}; write it in quotes if it is text"
            raise _error(what, node.start_mark)
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise _error(f"{_short(node)}: number too long", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_STANDARD}merge":
                continue
            name = self.construct_object(key)
            if name in seen:
                what = f"{_short(key)} stands twice in one place; keep one"
                raise _error(what, key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _error(what: str, mark: Any) -> ConstructorError:
    return ConstructorError(None, None, what, mark)


def _short(node: yaml.Node) -> str:
    text = str(node.value)
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
