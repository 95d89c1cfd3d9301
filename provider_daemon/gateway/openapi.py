"""The OpenAPI document, from the table of routes. docs/openapi.json is this text. Pure."""

import json
import re
from functools import cache
from typing import Any

from provider_daemon.gateway.errors import Code
from provider_daemon.gateway.routes import ROUTES, Route
from provider_daemon.gateway.schemas import SCHEMAS

SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A session of this gateway, or a JWT of the published SDK.",
    },
    "link": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The token of a link to one job; in event streams also a session.",
    },
}
STATUS_TEXT = {
    200: "Success",
    201: "Created or complete",
    204: "Success",
    206: "A part",
    304: "Not modified",
}


@cache
def text() -> str:
    return json.dumps(document(), indent=2) + "\n"


def document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    codes = ", ".join(f"`{code.text}` ({code.status})" for code in Code)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "provd gateway",
            "version": "1",
            "description": "The results, logs and inputs of a customer's jobs at one provider.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": SECURITY,
            "responses": {
                "Error": {
                    "description": f"An error: {codes}; refused logins have codes of their own.",
                    "content": _json("Error"),
                }
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    words = re.findall(r"[a-z]+", f"{route.method.lower()} {route.path.replace('/v1', '')}")
    operation: dict[str, Any] = {"operationId": "_".join(words), "summary": route.summary}
    operation["security"] = [{"bearer": []}, *([{"link": []}] if route.link else [])] if route.login else []
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body:
        content = _json(route.body) if route.body in SCHEMAS else {route.body: {}}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {
        **{str(status): _response(status, kind) for status, kind in route.answers.items()},
        "default": {"$ref": "#/components/responses/Error"},
    }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    others = [
        {
            "name": each.name,
            "in": each.place,
            "required": each.required,
            "description": each.text,
            "schema": each.schema,
        }
        for each in route.parameters
    ]
    return in_path + others


def _response(status: int, kind: str) -> dict[str, Any]:
    response: dict[str, Any] = {"description": STATUS_TEXT[status]}
    if kind:
        response["content"] = _json(kind) if kind in SCHEMAS else {kind: {}}
    return response


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
