"""From a token to a customer and his rights: what is accepted, once or several times, and for how long."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from provider_daemon.errors import Transient
from provider_daemon.tokens import jwt
from provider_daemon.tokens.identity import ALL, READ_ONLY, Identity, Right, Scope
from provider_daemon.tokens.login import Authenticator
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.replay import ReplayGuard
from tests.unit.tokens.wallets import (
    AUDIENCE,
    CUSTOMER,
    KEY,
    NOW,
    PROVIDER,
    STRANGER,
    VECTORS,
    authenticate,
    claims,
    gateway,
    public_key,
    signed,
)


def token(values: dict[str, Any]) -> str:
    return jwt.signed_token(values, CUSTOMER)


def refusal(given: str, now: float = NOW, at: Authenticator | None = None) -> TokenRefusal:
    with pytest.raises(TokenRefused) as refused:
        authenticate(given, now, at)
    return refused.value.reason


def granular(provider: str, **permission: object) -> dict[str, Any]:
    entry = {"provider": provider, "access": "full", **permission}
    return claims("granular", leases={"access": "granular", "permissions": [entry]})


@pytest.mark.parametrize("name", VECTORS["tokens"])
def test_tokens_of_stock_wallets_log_in(name: str) -> None:
    """Each kind of token gives its account, its end and its rights."""
    rights = READ_ONLY if name.startswith("scoped") else ALL
    expected = Identity(CUSTOMER.address, Scope(rights), 1_800_000_900)
    assert authenticate(VECTORS["tokens"][name]) == expected


@pytest.mark.parametrize("access", ["full", "scoped"])
def test_what_is_valid_everywhere_is_accepted_once(access: str) -> None:
    """A full or scoped token names no provider: a second use, or a captured one, is refused."""
    at = gateway()
    authenticate(token(claims(access)), at=at)
    assert refusal(token(claims(access)), at=at) is TokenRefusal.REPLAYED
    other_account = jwt.signed_token(claims(access, iss=STRANGER.address), STRANGER)
    assert authenticate(other_account, at=at).address == STRANGER.address


def test_a_wrong_signature_uses_up_no_identifier() -> None:
    """Nobody can spend the jti of another account."""
    at = gateway()
    forged = jwt.signed_token(claims(), STRANGER)
    assert refusal(forged, at=at) is TokenRefusal.SIGNATURE
    assert authenticate(token(claims()), at=at).address == CUSTOMER.address


def test_what_names_us_serves_many_requests() -> None:
    """A granular token that names this provider is worth nothing elsewhere, so it needs no jti."""
    at = gateway()
    for _ in range(3):
        assert authenticate(token(granular(PROVIDER)), at=at).scope.rights == ALL


def test_a_granular_token_of_another_provider_is_refused() -> None:
    """A provider cannot use what a customer gave it at another provider."""
    assert refusal(token(granular(STRANGER.address))) is TokenRefusal.WRONG_PROVIDER


def test_permission_for_deployments_only_is_refused() -> None:
    """Permissions for numbered deployments say nothing about HPC jobs."""
    deployments = [{"dseq": 1, "scope": ["logs"], "services": ["web"]}]
    values = granular(PROVIDER, access="granular", deployments=deployments)
    assert refusal(token(values)) is TokenRefusal.NO_PERMISSION


@pytest.mark.parametrize(
    ("scope", "rights"),
    [
        (["logs"], {Right.FILES}),
        (["status", "events"], {Right.STATUS}),
        (["send-manifest", "shell"], {Right.UPLOAD}),
    ],
)
def test_scopes_become_rights(scope: list[str], rights: set[Right]) -> None:
    """Scopes that mean nothing for HPC jobs give no rights; none gives the right to make links."""
    for values in (
        granular(PROVIDER, access="scoped", scope=scope),
        claims(leases={"access": "scoped", "scope": scope}),
    ):
        assert authenticate(token(values)).scope.rights == rights


@pytest.mark.parametrize("scope", [["shell"], ["restart", "ip-migrate"]])
def test_a_scope_without_any_right_is_refused(scope: list[str]) -> None:
    """A token that permits nothing here is refused with the scopes that would."""
    assert refusal(token(claims(leases={"access": "scoped", "scope": scope}))) is TokenRefusal.NO_PERMISSION


@pytest.mark.parametrize(
    "aud",
    [
        "https://gateway.example:8443",
        "https://other.example#virtengine-localnet-1",
        "https://gateway.example:8443#virtengine-2",
        "",
        ["a", "b"],
    ],
)
def test_a_token_for_another_audience_is_refused(aud: object) -> None:
    """`aud`, if present, must be this gateway's URL and chain id, for every kind of access."""
    assert refusal(token(claims(aud=aud))) is TokenRefusal.WRONG_AUDIENCE
    assert refusal(token({**granular(PROVIDER), "aud": aud})) is TokenRefusal.WRONG_AUDIENCE


def test_a_final_slash_of_the_url_does_not_matter() -> None:
    """One gateway has one `aud`."""
    assert replace(AUDIENCE, url=f"{AUDIENCE.url}/").claim == AUDIENCE.claim


def test_a_token_for_this_audience_is_accepted() -> None:
    """As text or in a list; our own client's token carries it."""
    for aud in (AUDIENCE.claim, ["https://other.example", AUDIENCE.claim]):
        assert authenticate(token(claims(aud=aud))).scope.rights == ALL
    assert authenticate(jwt.mint(CUSTOMER, AUDIENCE, NOW)).scope.rights == ALL


@pytest.mark.parametrize(
    ("values", "now", "reason"),
    [
        (claims(), 1_800_000_959.9, None),
        (claims(), 1_800_000_960.0, TokenRefusal.EXPIRED),
        (claims(), 1_799_999_940.0, None),
        (claims(), 1_799_999_939.9, TokenRefusal.NOT_YET_VALID),
        (claims(nbf=1_800_000_300), NOW, TokenRefusal.NOT_YET_VALID),
        (claims(exp=1_800_000_901), NOW, TokenRefusal.TOO_LONG_LIVED),
        (claims("scoped", exp=1_800_003_600), NOW, TokenRefusal.TOO_LONG_LIVED),
        (claims("granular", exp=1_800_003_600), NOW, None),
        (claims("granular", exp=1_800_086_401), NOW, TokenRefusal.TOO_LONG_LIVED),
        (claims(jti=None), NOW, TokenRefusal.NOT_ONE_TIME),
        (claims("scoped", jti=None), NOW, TokenRefusal.NOT_ONE_TIME),
    ],
)
def test_times(values: dict[str, Any], now: float, reason: TokenRefusal | None) -> None:
    """60 s of leeway; at most 15 minutes for what is valid everywhere, a day for what names us."""
    if reason is None:
        assert authenticate(token(values), now).address == CUSTOMER.address
    else:
        assert refusal(token(values), now) is reason


def test_nothing_from_before_a_restart_is_accepted() -> None:
    """A restarted gateway does not know what was used, also by a clock that was ahead."""
    at = gateway(started_at=NOW)
    assert refusal(token(claims()), at=at) is TokenRefusal.BEFORE_START
    later = claims(iat=1_800_000_061, nbf=1_800_000_061)
    assert authenticate(token(later), NOW + 61, at).address == CUSTOMER.address
    assert authenticate(token(granular(PROVIDER)), at=at).address == CUSTOMER.address


def test_an_account_without_a_key_on_the_chain_is_refused() -> None:
    """The public key comes from the chain only."""
    nobody = STRANGER.__class__(bytes(range(9, 41)))
    given = jwt.signed_token(claims(iss=nobody.address), nobody)
    assert refusal(given) is TokenRefusal.UNKNOWN_ACCOUNT


def test_a_chain_that_does_not_answer_is_no_refusal() -> None:
    """The failed query passes through, and the jti is not used up."""

    async def fails(address: str) -> bytes | None:
        raise Transient("no endpoint answers")

    guard = ReplayGuard(0.0)
    with pytest.raises(Transient):
        asyncio.run(Authenticator(AUDIENCE, KEY, guard, fails).authenticate(token(claims()), NOW))
    assert len(guard) == 0


def test_a_malformed_token_costs_no_query() -> None:
    """The chain is queried only for a token that could be accepted."""
    asked: list[str] = []

    async def asks(address: str) -> bytes | None:
        asked.append(address)
        return None

    at = Authenticator(AUDIENCE, KEY, ReplayGuard(0.0), asks)
    short = f"{token(claims()).rpartition('.')[0]}.AAAA"
    for given in ("x.y.z", short, token(claims(jti=None)), token(granular(STRANGER.address))):
        refusal(given, at=at)
    assert asked == []


def test_a_signed_challenge_becomes_a_session() -> None:
    """The session stands for the account with all rights, for eight hours."""
    at = gateway()
    challenge = at.challenge(CUSTOMER.address, bytes(16), NOW)
    session = at.log_in(challenge.text, public_key(), signed(challenge.text), NOW + 10)
    expected = Identity(CUSTOMER.address, Scope(ALL), int(NOW) + 10 + 8 * 3600)
    assert authenticate(session.token, NOW + 20, at) == expected
    assert (session.address, session.expires_at) == (CUSTOMER.address, expected.expires_at)


def test_a_challenge_serves_one_login() -> None:
    """A captured answer is refused afterwards, also after a restart with the same key."""
    at = gateway()
    text = at.challenge(CUSTOMER.address, bytes(16), NOW).text
    at.log_in(text, public_key(), signed(text), NOW)
    for again, reason in (
        (at, TokenRefusal.REPLAYED),
        (gateway(started_at=NOW + 1), TokenRefusal.MALFORMED),
    ):
        with pytest.raises(TokenRefused) as refused:
            again.log_in(text, public_key(), signed(text), NOW + 2)
        assert refused.value.reason is reason


def test_a_one_time_token_can_be_exchanged_for_a_session() -> None:
    """The session has the token's rights and end, no more."""
    at = gateway()
    identity = authenticate(token(claims("scoped")), at=at)
    session = at.session(identity)
    assert session.expires_at == 1_800_000_900
    for _ in range(2):
        assert authenticate(session.token, at=at) == identity
    assert refusal(session.token, 1_800_000_900, at) is TokenRefusal.EXPIRED


def test_a_link_reads_one_job() -> None:
    """It covers status and files of one job, expires, and makes no further links."""
    at = gateway()
    owner = authenticate(token(granular(PROVIDER)), at=at)
    link = at.link(owner, "JOB-1", 600, NOW)
    guest = authenticate(link.token, at=at)
    assert guest == Identity(CUSTOMER.address, Scope(READ_ONLY, "JOB-1"), int(NOW) + 600)
    assert guest.scope.allows(Right.FILES, "JOB-1")
    for right, job in ((Right.FILES, "JOB-2"), (Right.STATUS, ""), (Right.UPLOAD, "JOB-1")):
        assert not guest.scope.allows(right, job)
    assert refusal(link.token, NOW + 600, at) is TokenRefusal.EXPIRED
    for not_owner in (guest, replace(owner, scope=Scope(READ_ONLY))):
        with pytest.raises(TokenRefused) as refused:
            at.link(not_owner, "JOB-1", 600, NOW)
        assert refused.value.reason is TokenRefusal.NO_PERMISSION


@pytest.mark.parametrize(("asked", "given"), [(10**9, 7 * 86400), (-5, 1)])
def test_the_life_of_a_link_is_bounded(asked: int, given: int) -> None:
    """At most seven days."""
    at = gateway()
    owner = authenticate(token(granular(PROVIDER)), at=at)
    assert at.link(owner, "JOB-1", asked, NOW).expires_at == NOW + given
