"""The claims of the published SDK's JWT, and `aud`, which only provd's own client adds.

The rules are those of the SDK's schema (docs/gateway.md, 'Login'): no other claims, whole seconds.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from provider_daemon.text import printable
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused

ScopeName = Literal[
    "send-manifest",
    "get-manifest",
    "logs",
    "shell",
    "events",
    "status",
    "restart",
    "hostname-migrate",
    "ip-migrate",
]


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("has an entry twice")
    return names


Address = Annotated[str, StringConstraints(pattern=r"^ve1[a-z0-9]{38}$")]
Seconds = Annotated[int, Field(ge=0, le=1 << 53)]
Scopes = Annotated[list[ScopeName], Field(min_length=1), AfterValidator(_unique)]
Services = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1), AfterValidator(_unique)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Full(_Strict):
    access: Literal["full"]


class Scoped(_Strict):
    access: Literal["scoped"]
    scope: Scopes


class Deployment(_Strict):
    dseq: Annotated[int, Field(ge=1)]
    scope: Scopes
    services: Services
    gseq: Annotated[int, Field(ge=0)] | None = None
    oseq: Annotated[int, Field(ge=0)] | None = None


class ProviderFull(Full):
    provider: Address


class ProviderScoped(Scoped):
    provider: Address


class ProviderGranular(_Strict):
    provider: Address
    access: Literal["granular"]
    deployments: Annotated[list[Deployment], Field(min_length=1)]


Permission = Annotated[ProviderFull | ProviderScoped | ProviderGranular, Field(discriminator="access")]


def _one_each(permissions: list[Permission]) -> list[Permission]:
    _unique([permission.provider for permission in permissions])
    return permissions


class Granular(_Strict):
    access: Literal["granular"]
    permissions: Annotated[list[Permission], Field(min_length=1), AfterValidator(_one_each)]


class Claims(_Strict):
    """The claims of one token. Times are in seconds since the epoch."""

    iss: Address
    iat: Seconds
    nbf: Seconds
    exp: Seconds
    version: Literal["v1"]
    leases: Annotated[Full | Scoped | Granular, Field(discriminator="access")]
    jti: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    aud: str | Annotated[list[str], Field(min_length=1)] | None = None


def read(values: dict[str, object]) -> Claims:
    """Returns the claims. Raises TokenRefused (malformed) that names the first wrong claim."""
    try:
        return Claims.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = printable(_place(first["loc"]))[:100]
        raise TokenRefused(
            TokenRefusal.MALFORMED, f"The token does not follow the JWT schema at {place}: {first['msg']}."
        ) from None


def _place(parts: Sequence[int | str]) -> str:
    return ".".join(map(str, parts)) or "its top level"
