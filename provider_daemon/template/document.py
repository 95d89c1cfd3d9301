"""Reads and writes templates as YAML or JSON, with all errors at once, and in canonical form. Pure."""

import hashlib
import json
from typing import Any

import yaml
from pydantic import ValidationError

from provider_daemon.errors import ConfigError
from provider_daemon.template.model import SCHEMA_VERSION, Document, Template
from provider_daemon.template.rules import mistakes


class TemplateError(ConfigError):
    """A template that cannot be used; `problems` has a line for each error."""


def read(text: str) -> Template:
    """Returns the template in a YAML or JSON document; raises TemplateError."""
    try:
        found = Document.model_validate_json(json.dumps(yaml.safe_load(text)))
    except yaml.YAMLError as error:
        raise TemplateError([f"not YAML or JSON: {' '.join(str(error).split())}"]) from None
    except TypeError as error:
        raise TemplateError([f"not a template document: {error}"]) from None
    except ValidationError as error:
        raise TemplateError([_problem(detail) for detail in error.errors()]) from None
    if wrong := mistakes(found.template):
        raise TemplateError(wrong)
    return found.template


def _problem(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"] if part not in ("bool", "int", "str"))
    return f"{place or 'document'}: {detail['msg']}"


def write(template: Template) -> str:
    """Returns the document as YAML, with the fields in the model's order."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "template": template.model_dump(mode="json", exclude_defaults=True),
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def canonical(template: Template) -> bytes:
    """Returns what is hashed: JSON of every field but the signature, keys sorted, no spaces, UTF-8."""
    value = template.model_dump(mode="json", exclude={"signature"})
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def content_hash(template: Template) -> str:
    return hashlib.sha256(canonical(template)).hexdigest()


def json_schema() -> str:
    """Returns the JSON schema of the document."""
    return (
        json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **Document.model_json_schema()},
            indent=2,
        )
        + "\n"
    )
