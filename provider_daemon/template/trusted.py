"""The templates that a cluster lets its customers use."""

from collections.abc import Collection, Sequence
from pathlib import Path

from provider_daemon.template.document import TemplateError
from provider_daemon.template.library import in_directory, shipped
from provider_daemon.template.model import Template
from provider_daemon.template.signature import verify


def trusted(allowed: Sequence[str], directory: str, signers: Collection[str]) -> dict[str, Template]:
    """Returns the allowed templates by id (the directory's first); raises TemplateError with all problems."""
    if not allowed:
        return {}
    known = {**shipped(), **(in_directory(Path(directory)) if directory else {})}
    found, problems = dict[str, Template](), list[str]()
    for template_id in allowed:
        try:
            found[template_id] = _usable(known, template_id, signers)
        except TemplateError as error:
            problems += error.problems
    if problems:
        raise TemplateError(problems)
    return found


def _usable(known: dict[str, Template], template_id: str, signers: Collection[str]) -> Template:
    template = known.get(template_id)
    if template is None:
        raise TemplateError(
            [f"{template_id}: unknown template (known templates: {', '.join(sorted(known))})"]
        )
    if template.approval_status != "approved":
        raise TemplateError([f"{template_id}: approval_status is {template.approval_status}, not approved"])
    verify(template, signers)
    return template
