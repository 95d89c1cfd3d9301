"""Finds templates: the five that come with provd, and those in the operator's directory."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from provider_daemon.template.document import TemplateError, read
from provider_daemon.template.model import Template

# The shipped templates were signed when they were last changed; the private key was not kept. Whoever changes
# one signs it with a key of their own and sets it here.
PUBLISHER = "983f5eeef7038696b2b7c5b061f61906463b464490e803eac30386b27bd98188"


def shipped() -> dict[str, Template]:
    """Returns the shipped templates by template id."""
    places = resources.files(__package__).joinpath("shipped").iterdir()
    return _indexed(
        (place.name, place.read_text())
        for place in sorted(places, key=lambda place: place.name)
        if place.name.endswith(".yaml")
    )


def in_directory(directory: Path) -> dict[str, Template]:
    """Returns the directory's templates (.yaml, .yml, .json); raises TemplateError, naming the files."""
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml", ".json"))
        return _indexed((path.name, path.read_text()) for path in paths)
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError([f"{directory}: {error}"]) from None


def _indexed(files: Iterator[tuple[str, str]]) -> dict[str, Template]:
    found: dict[str, Template] = {}
    problems: list[str] = []
    for name, text in files:
        try:
            template = read(text)
        except TemplateError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
            continue
        if template.template_id in found:
            problems.append(f"{name}: duplicate template id {template.template_id}")
        found[template.template_id] = template
    if problems:
        raise TemplateError(problems)
    return found
