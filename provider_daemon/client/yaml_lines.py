"""Reads YAML and finds the line of each value, which PyYAML does not report with plain values. Pure."""

from collections.abc import Iterator

import yaml

from provider_daemon.config.toml_lines import Path

Problem = tuple[int, str]
"""The line, and what is wrong there."""


def read(text: str) -> tuple[object, dict[Path, int], list[Problem]]:
    """Returns the plain values, the line of each value by its path, and every key that is there twice.

    Raises ValueError for text that is not YAML: `line 3: ...`.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return None, {}, []
        found: list[tuple[Path, int]] = []
        problems = list(_walk(root, (), found))
        return yaml.safe_load(text), dict(found), problems
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"line {mark.line + 1 if mark else 1}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"line 1: {' '.join(str(error).split())}") from None


def _walk(node: yaml.Node, path: Path, found: list[tuple[Path, int]]) -> Iterator[Problem]:
    found.append((path, node.start_mark.line + 1))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), found)
    elif isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in known:
                yield key.start_mark.line + 1, f"{name} is there twice"
            known.add(name)
            yield from _walk(value, (*path, name), found)
            # a value that begins below its key is reported at the key
            found.append(((*path, name), key.start_mark.line + 1))
