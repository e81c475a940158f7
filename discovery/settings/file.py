"""Reading the configuration file: YAML with line numbers, and nothing that surprises.

Duplicate keys, aliases, several documents and keys that are no text are refused. A key without a
value counts as left out, except where that would grant more than the reader of the file sees.
"""

from pathlib import Path as FilePath
from typing import Any, Final

import yaml

from discovery.settings.errors import ConfigError, problem
from discovery.settings.tree import Path, Tree, spelled

_LARGEST_FILE: Final = 1024 * 1024  # bytes
_LONGEST_NUMBER: Final = 40  # characters; Python can not write a number of any length as text
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_PLAIN_TAGS: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int"))
_NULL_TAG: Final = "tag:yaml.org,2002:null"
_NULL_IS_NO_DEFAULT: Final = frozenset({"grants"})


class _Loader(yaml.SafeLoader):
    """YAML's composer, without aliases: a value stands where it is used."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="found an alias", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def read_file(path: FilePath) -> Tree:
    """Read a configuration file; a ConfigError names every line that is no configuration."""
    node = _compose(_text(path), path)
    tree = Tree(origins={(): str(path)})
    if node is None or node.tag == _NULL_TAG:
        return tree
    if not isinstance(node, yaml.MappingNode):
        what = "the configuration is no mapping"
        raise ConfigError(problem(what, f"{path}:{_line(node)}", "Begin with a key: value line."))
    reader = _Reader(path, tree)
    tree.values = reader.mapping(node, ())
    if reader.problems:
        raise ConfigError(*reader.problems)
    return tree


def _text(path: FilePath) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) <= _LARGEST_FILE:
            return content.decode("utf-8-sig")
    except OSError as exc:
        what = f"the configuration file can not be read: {exc.strerror}"
        advice = "Name a readable file with --config or TAILNET_DISCOVERY_CONFIG."
        raise ConfigError(problem(what, str(path), advice)) from exc
    except UnicodeDecodeError:
        what = "the configuration file is no UTF-8 text"
        raise ConfigError(problem(what, str(path), "Save it as UTF-8.")) from None
    what = "the configuration file is larger than 1 MiB"
    raise ConfigError(problem(what, str(path), "Name the right file."))


def _compose(text: str, path: FilePath) -> yaml.Node | None:
    where = str(path)
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as exc:
        if exc.problem_mark is not None:
            where = f"{path}:{exc.problem_mark.line + 1}"
        said = exc.problem or "it can not be parsed"
    except yaml.YAMLError:
        said = "it holds a character that YAML does not allow"
    except RecursionError:
        said = "it is nested too deeply"
    except (ValueError, OverflowError):  # of an escape or a %YAML line; the scanner lets it through
        said = "it holds a number that YAML does not allow"
    else:
        return node
    raise ConfigError(problem(f"the file is no usable YAML: {said}", where, "Correct that line."))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_text(key: yaml.Node) -> bool:
    """Tell whether a key is a text that a message can name."""
    if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT_TAG:
        return False
    return str(key.value).isprintable()


class _Reader:
    """Turns YAML nodes into values, noting the line of each and whatever is wrong."""

    def __init__(self, path: FilePath, tree: Tree) -> None:
        self._path = path
        self._tree = tree
        self._scalars = yaml.SafeLoader("")
        self.problems: list[str] = []

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not _is_text(key_node):
                self._refuse(key_node, f"a key of {spelled(path) or 'the file'} is no text", "")
                continue
            key = str(key_node.value)
            at = (*path, key)
            if key in lines:
                advice = f"It stands in line {lines[key]} already: keep one of the two."
                self._refuse(key_node, f"{spelled(at)} is given twice", advice)
                continue
            lines[key] = _line(key_node)
            self._tree.origins[at] = f"{self._path}:{_line(key_node)}"
            if value_node.tag != _NULL_TAG:
                values[key] = self._value(value_node, at)
            elif key in _NULL_IS_NO_DEFAULT:
                advice = "Leave the key out to grant everything, write [] to grant nothing."
                self._refuse(key_node, f"{spelled(at)} has no value", advice)
        return values

    def _value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._entry(entry, (*path, i)) for i, entry in enumerate(node.value)]
        text = str(node.value)
        if node.tag not in _PLAIN_TAGS or len(text) > _LONGEST_NUMBER:
            # A date is text here, and so is whatever has a tag of its own.
            return None if node.tag == _NULL_TAG else text
        try:
            return self._scalars.construct_object(node)
        except (ValueError, OverflowError, LookupError):  # LookupError: such as !!int "", !!bool no
            return text

    def _entry(self, node: yaml.Node, path: Path) -> Any:
        self._tree.origins[path] = f"{self._path}:{_line(node)}"
        return self._value(node, path)

    def _refuse(self, node: yaml.Node, what: str, advice: str) -> None:
        where = f"{self._path}:{_line(node)}"
        self.problems.append(problem(what, where, advice or "Put it in quotes."))
