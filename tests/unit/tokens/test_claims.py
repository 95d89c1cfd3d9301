"""The claims follow the schema of the published SDK, with `aud` as the only addition."""

from typing import Any

import pytest

from provider_daemon.tokens import claims as rules
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from tests.unit.tokens.wallets import PROVIDER, claims

DEPLOYMENT = {"dseq": 1, "scope": ["logs"], "services": ["web"]}


def granular(*permissions: dict[str, Any]) -> dict[str, Any]:
    return claims("granular", leases={"access": "granular", "permissions": list(permissions)})


@pytest.mark.parametrize(
    "values",
    [
        claims(),
        claims("scoped"),
        claims("granular"),
        claims(aud="https://gateway.example"),
        claims(aud=["a", "b"]),
        granular({"provider": PROVIDER, "access": "scoped", "scope": ["logs"]}),
        granular({"provider": PROVIDER, "access": "granular", "deployments": [DEPLOYMENT]}),
    ],
)
def test_valid_claims_are_read(values: dict[str, Any]) -> None:
    """What the schema allows is kept as it is."""
    assert rules.read(values).model_dump(exclude_none=True) == values


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (claims(sub="x"), "sub"),
        (claims(admin=True), "admin"),
        (claims(iss=None), "iss"),
        (claims(iss="cosmos1tp7fhly84qm6q4hhzmp0nh5frtdugmysqhcplp"), "iss"),
        (claims(iss="ve1tp7fhly84qm6q4hhzmp0nh5frtdugmysqhcplp\n"), "iss"),
        (claims(iat=None), "iat"),
        (claims(iat="1800000000"), "iat"),
        (claims(iat=True), "iat"),
        (claims(nbf=-1), "nbf"),
        (claims(exp=1 << 60), "exp"),
        (claims(version="v2"), "version"),
        (claims(jti=""), "jti"),
        (claims(jti="x" * 257), "jti"),
        (claims(jti=7), "jti"),
        (claims(aud=[]), "aud"),
        (claims(aud=7), "aud"),
        (claims(leases=None), "leases"),
        (claims(leases={}), "leases"),
        (claims(leases={"access": "none"}), "leases"),
        (claims(leases={"access": "full", "scope": ["logs"]}), "leases.full.scope"),
        (claims(leases={"access": "full", "permissions": []}), "leases.full.permissions"),
        (claims(leases={"access": "scoped"}), "leases.scoped.scope"),
        (claims(leases={"access": "scoped", "scope": []}), "leases.scoped.scope"),
        (claims(leases={"access": "scoped", "scope": ["logs", "logs"]}), "leases.scoped.scope"),
        (claims(leases={"access": "scoped", "scope": ["root"]}), "leases.scoped.scope.0"),
        (granular(), "leases.granular.permissions"),
        (granular({"access": "full"}), "leases.granular.permissions.0.full.provider"),
        (granular(*[{"provider": PROVIDER, "access": "full"}] * 2), "leases.granular.permissions"),
        (
            granular({"provider": PROVIDER, "access": "granular", "deployments": []}),
            "leases.granular.permissions.0.granular.deployments",
        ),
        (
            granular({"provider": PROVIDER, "access": "full", "deployments": [DEPLOYMENT]}),
            "leases.granular.permissions.0.full.deployments",
        ),
    ],
)
def test_wrong_claims_are_named(values: dict[str, Any], place: str) -> None:
    """Anything that the schema does not allow is refused, and the refusal names the place."""
    with pytest.raises(TokenRefused, match=rf"schema at {place}(\.\S+)?:") as refused:
        rules.read(values)
    assert refused.value.reason is TokenRefusal.MALFORMED


def test_a_refusal_does_not_print_what_it_was_given() -> None:
    """A hostile name of a claim is escaped and cut."""
    with pytest.raises(TokenRefused) as refused:
        rules.read({**claims(), "\x1b[31m" + "x" * 500: 1})
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 250
