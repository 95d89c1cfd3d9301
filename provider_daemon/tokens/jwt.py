"""The published SDK's JWT: read, verified, and made by provd's own client.

It is signed with the customer's account key as `ES256K` or as `ES256KADR36`, a private name of the SDK: the
same text signed as ADR-036 arbitrary data, as browser wallets do. No other algorithm is registered here, so
a token cannot choose one.
"""

import hashlib
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey

from provider_daemon.chain import bech32, sign
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.signed_documents import adr036
from provider_daemon.tokens import claims as claim_rules
from provider_daemon.tokens import strict
from provider_daemon.tokens.claims import Claims
from provider_daemon.tokens.identity import Audience
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused

ALGORITHMS = ("ES256K", "ES256KADR36")


class _AccountAlgorithm(JWSAlgModel):
    """A signature by an account key: 64 bytes r || s, never a high s (two spellings of one token)."""

    key_type = "EC"

    def sign(self, msg: bytes, key: ECKey) -> bytes:
        raise NotImplementedError("account keys sign in `mint`")

    def verify(self, msg: bytes, sig: bytes, key: ECKey) -> bool:
        public_key = key.public_key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        return sign.verify(public_key, hashlib.sha256(self.signed_text(msg, public_key)).digest(), sig)

    def signed_text(self, msg: bytes, public_key: bytes) -> bytes:
        return msg


class _ES256K(_AccountAlgorithm):
    name = "ES256K"
    description = "ECDSA using secp256k1 and SHA-256"


class _ES256KADR36(_AccountAlgorithm):
    name = "ES256KADR36"
    description = "ECDSA using secp256k1 and SHA-256 over an ADR-036 document"

    def signed_text(self, msg: bytes, public_key: bytes) -> bytes:
        return adr036(msg, bech32.address_of(public_key))


def _registry() -> jws.JWSRegistry:
    """Returns a registry in which `none`, HS256 and all others do not exist."""
    registry = jws.JWSRegistry(algorithms=ALGORITHMS)
    registry.algorithms = {model.name: model for model in (_ES256K(), _ES256KADR36())}
    return registry


_REGISTRY = _registry()


@dataclass(frozen=True, slots=True)
class ReadToken:
    """A token that is well formed. Nothing in it is true before `verify`."""

    claims: Claims
    signed: jws.CompactSignature


def read(token: str) -> ReadToken:
    """Returns the parts of a compact JWT. Raises TokenRefused (malformed, algorithm)."""
    if len(token) > strict.MAX_CHARACTERS:
        raise _malformed(f"it is longer than {strict.MAX_CHARACTERS} characters")
    parts = token.split(".")
    if len(parts) != 3:
        raise _malformed("it does not have three parts")
    try:
        header, payload, signature = map(strict.from_base64url, parts)
        _check_header(strict.from_json(header))
        values = strict.from_json(payload)
        signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
    except (ValueError, JoseError) as error:
        raise _malformed(str(error)) from None
    if len(signature) != 64:
        raise TokenRefused(TokenRefusal.SIGNATURE, "The token's signature must have 64 bytes.")
    return ReadToken(claim_rules.read(values), signed)


def _check_header(header: dict[str, object]) -> None:
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefused(
            TokenRefusal.ALGORITHM, f"The token's algorithm must be one of {', '.join(ALGORITHMS)}."
        )
    if header.keys() - {"alg", "typ"} or header.get("typ", "JWT") != "JWT":
        raise ValueError("its header may have only alg and typ (JWT)")


def _malformed(why: str) -> TokenRefused:
    return TokenRefused(TokenRefusal.MALFORMED, f"The token is not a valid JWT: {why}.")


def verify(token: ReadToken, public_key: bytes) -> None:
    """Checks the signature. `public_key`: the account's compressed key, 33 bytes.

    Raises TokenRefused (signature) also if the key is not the key of the token's account.
    """
    if not _signed_by(token, public_key):
        raise TokenRefused(
            TokenRefusal.SIGNATURE, "The token's signature is not valid for the account that it names."
        )


def _signed_by(token: ReadToken, public_key: bytes) -> bool:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public_key)
        if bech32.address_of(public_key) != token.claims.iss:
            return False
        return jws.validate_compact(token.signed, ECKey.import_key(key), registry=_REGISTRY)
    except (ValueError, JoseError):
        return False


def mint(signer: Signer, audience: Audience, now: float, seconds: int = 600) -> str:
    """Returns a token for this gateway: granular, names its providers, with `aud`.

    It serves any number of requests until it expires. The same arguments always give the same token.
    """
    permissions = [{"provider": provider, "access": "full"} for provider in sorted(audience.providers)]
    return signed_token(
        {
            "aud": audience.claim,
            "exp": int(now) + seconds,
            "iat": int(now),
            "iss": signer.address,
            "leases": {"access": "granular", "permissions": permissions},
            "nbf": int(now),
            "version": "v1",
        },
        signer,
    )


def signed_token(values: dict[str, object], signer: Signer) -> str:
    """Returns a compact JWT (ES256K) with exactly these claims."""
    header = strict.base64url(_json({"alg": "ES256K", "typ": "JWT"}))
    text = f"{header}.{strict.base64url(_json(values))}"
    return f"{text}.{strict.base64url(signer.sign(hashlib.sha256(text.encode()).digest()))}"


def _json(values: dict[str, object]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
