"""Who a request is from: the API key as the hosted gateway reads it, then the token as PostgREST does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from dev.data_api.errors import ApiError, claims_refused, token_refused
from dev.supabase_local import Keys

_JWT_PARTS = 3
_LEEWAY_SECONDS = 30.0  # what PostgREST allows clocks to differ
_CLAIM_FAULTS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "JWT expired",
    jwt.ImmatureSignatureError: "JWT issued at future",
    jwt.InvalidIssuedAtError: "The JWT 'iat' claim must be a number",
}


@dataclass(frozen=True)
class Caller:
    """The database role of a request and the claims that its SQL may read."""

    role: str
    claims: Mapping[str, Any]

    @property
    def authenticated(self) -> bool:
        return self.role != "anon"


class GatewayRefusal(Exception):
    """The gateway turns a request away before PostgREST sees it: its answers name no code."""


class ApiKeys:
    """The keys of one project.

    A key of the new form names a role by itself, and the gateway makes a token out of it; an `Authorization` header
    beside it is a user's token, or the same key once more. A key of the old form is a token: it opens the gateway, and
    PostgREST goes by the `Authorization` header alone.
    """

    def __init__(self, keys: Keys) -> None:
        self._roles = {keys.secret: "service_role", keys.publishable: "anon"}
        self._secret, self._jwt_secret = keys.secret, keys.jwt_secret

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Raises GatewayRefusal, ApiError."""
        key = headers.get("apikey")
        if key is None:
            raise GatewayRefusal("No API key found in request")
        if key == self._secret and "mozilla" in headers.get("user-agent", "").lower():
            raise GatewayRefusal("Forbidden use of secret API key in browser")
        if key not in self._roles and not self._is_legacy_key(key):
            raise GatewayRefusal("Invalid API key")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token != key:
            return self._bearer(token)
        if key in self._roles:
            role = self._roles[key]
            return Caller(role, {"role": role})
        return self._bearer(key) if token == key else Caller("anon", {"role": "anon"})

    def _is_legacy_key(self, key: str) -> bool:
        try:
            return key.count(".") == _JWT_PARTS - 1 and bool(self._bearer(key).role)
        except ApiError:
            return False

    def _bearer(self, token: str) -> Caller:
        if (parts := token.count(".") + 1) != _JWT_PARTS:
            raise token_refused(f"Expected {_JWT_PARTS} parts in JWT; got {parts}")
        try:
            claims = jwt.decode(
                token, self._jwt_secret, ["HS256"], leeway=_LEEWAY_SECONDS, options={"verify_aud": False}
            )
        except tuple(_CLAIM_FAULTS) as error:
            raise claims_refused(_CLAIM_FAULTS[type(error)]) from None
        except jwt.PyJWTError:
            raise token_refused("JWT cryptographic operation failed") from None
        role = str(claims.get("role", "anon"))
        return Caller(role, {**claims, "role": role})
