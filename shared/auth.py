"""Who is asking: verifies Supabase user tokens here, with keys fetched by our own async code.

The family of algorithms follows from the key, never from the token: the secret verifies HS256 and nothing else, a
published key verifies the one algorithm of its type. Headers that point to keys (jku, x5u, jwk, x5c) are not read.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import httpx
import jwt

from shared import logs
from shared.core.chat_events import EventName
from shared.core.error_codes import ErrorCode
from shared.core.errors import Forbidden, KeysUnavailable, RequestError, Unauthorized
from shared.core.model import User
from shared.ports import Clock

AUDIENCE = "authenticated"
USER_ROLE = "authenticated"
MAX_TOKEN_BYTES = 8 * 1024
MAX_KID = 255
LEEWAY_SECONDS = 10.0
KEYS_FRESH_SECONDS = 600.0
UNKNOWN_KID_SECONDS = 30.0  # between two fetches that an unknown kid may cause
RETRY_SECONDS = 5.0  # between two fetches when the last one failed
FETCH_TIMEOUT_SECONDS = 3.0
MAX_JWKS_BYTES = 64 * 1024

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PUBLISHED = {"ES256", "RS256"}
_KEY_ROLES = {"anon", "service_role"}  # roles of API keys, not of people


def bearer_token(header: str | None) -> str:
    """The token of an Authorization header. Raises Unauthorized."""
    scheme, _, token = (header or "").strip(" \t").partition(" ")
    token = token.strip(" \t")
    if not scheme or (scheme.lower() == "bearer" and not token):
        raise Unauthorized(code=ErrorCode.MISSING_TOKEN)
    if scheme.lower() != "bearer" or len(token) > MAX_TOKEN_BYTES or not _TOKEN.fullmatch(token):
        raise _invalid("malformed")
    return token


def _noted(error: RequestError, reason: str, **fields: Any) -> RequestError:
    """The error, with its reason in the log: the answer would tell it to those who forge tokens."""
    logs.event(EventName.TOKEN_REFUSED, reason=reason, **fields)
    return error


def _invalid(reason: str, **fields: Any) -> RequestError:
    return _noted(Unauthorized(code=ErrorCode.INVALID_TOKEN), reason, **fields)


class KeySet:
    """The published keys of one address: fetched when needed, at most so often, one fetch at a time."""

    def __init__(self, url: str, client: httpx.AsyncClient, clock: Clock) -> None:
        self._url, self._client, self._clock = url, client, clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._unknown_from = float("-inf")  # when an unknown kid may cause a fetch again
        self._failed = False
        self._lock = asyncio.Lock()

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """The key of this id; None when the address publishes none such. Raises KeysUnavailable."""
        stale_will_do = kid in self._keys and self._lock.locked()
        if self._wanted(kid) and not stale_will_do:
            async with self._lock:
                if self._wanted(kid):  # the request before us in the line may have fetched it
                    if not self._due():
                        self._unknown_from = self._clock.now() + UNKNOWN_KID_SECONDS
                    await self._fetch()
        if kid not in self._keys and self._failed:
            raise KeysUnavailable(retry_after=RETRY_SECONDS)
        return self._keys.get(kid)

    def _wanted(self, kid: str) -> bool:
        """Whether the keys are to be fetched: when they are due, or for a kid that may have been made since."""
        early = not self._failed and kid not in self._keys and self._clock.now() >= self._unknown_from
        return self._due() or early

    def _due(self) -> bool:
        now = self._clock.now()
        if self._tried_at is None:
            return True
        if self._failed:
            return now - self._tried_at >= RETRY_SECONDS
        return self._fetched_at is None or now - self._fetched_at >= KEYS_FRESH_SECONDS

    async def _fetch(self) -> None:
        """Replace the keys; a failure leaves the stale ones in place."""
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_SECONDS):
                keys = await self._download()
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError):
            self._failed = True
            logs.event(EventName.KEYS_MISSED, level=logging.WARNING, stale_keys=len(self._keys))
        else:
            self._keys, self._failed = keys, False
            self._fetched_at = self._clock.now()
        finally:
            self._tried_at = self._clock.now()

    async def _download(self) -> dict[str, jwt.PyJWK]:
        body = b""
        async with self._client.stream("GET", self._url, follow_redirects=False) as response:
            if response.status_code != 200:
                raise ValueError("no keys")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_JWKS_BYTES:
                    raise ValueError("too long")
        document = httpx.Response(200, content=body).json()
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("not a key set")  # noqa: TRY004 (one kind of failure for every answer of an address)
        return {kid: key for entry in document["keys"] if (key := _usable(entry)) and (kid := key.key_id)}


def _usable(entry: object) -> jwt.PyJWK | None:
    """A public signing key with an id, of a type we verify; anything else in the set is passed over."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    kinds = {("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
    algorithm = kinds.get((str(entry.get("kty")), entry.get("crv") if entry.get("kty") == "EC" else None))
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    public = {name: value for name, value in entry.items() if name in ("kty", "crv", "x", "y", "n", "e", "kid")}
    try:
        key = jwt.PyJWK(public, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    too_weak = algorithm == "RS256" and getattr(key.key, "key_size", 0) < 2048
    return None if too_weak else key


class TokenVerifier:
    """Turns a token into a User, or says why not."""

    def __init__(
        self,
        *,
        issuer: str,
        secret: str | None,
        keys: KeySet | None,
        operator_role: str | None = None,
        allow_anonymous: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer, self._secret, self._keys = issuer, secret, keys
        self._allow_anonymous = allow_anonymous
        self._operator_role = operator_role
        self._wall_clock = wall_clock

    async def verify(self, token: str) -> User:
        """Raises Unauthorized (`invalid_token`, `token_expired`), Forbidden, KeysUnavailable."""
        key, algorithm = await self._key_for(token)
        unchecked = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm], options=unchecked)  # type: ignore[arg-type]
        except Exception as error:  # a token that makes the parser raise anything is not valid
            raise _invalid("bad_signature") from error
        return self._judge(claims)

    async def _key_for(self, token: str) -> tuple[Any, str]:
        try:
            header = jwt.get_unverified_header(token)
        except Exception as error:
            raise _invalid("malformed") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if "crit" in header or "b64" in header:
            raise _invalid("unknown_extension")  # RFC 7515 4.1.11: what is critical must be understood
        if algorithm == "HS256" and self._secret:
            return self._secret, "HS256"
        if algorithm == "HS256":
            raise _invalid("no_secret")  # SUPABASE_JWT_SECRET is not set
        if not isinstance(algorithm, str) or algorithm not in _PUBLISHED:
            raise _invalid("wrong_algorithm")
        if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID or self._keys is None:
            raise _invalid("unknown_key")
        key = await self._keys.get(kid)
        if key is None:
            raise _invalid("unknown_key")
        if key.algorithm_name != algorithm:
            raise _invalid("wrong_algorithm")
        return key.key, key.algorithm_name

    def _judge(self, claims: Mapping[str, Any]) -> User:
        """The signature is right; do the claims say that a user of this project asks, now?"""
        if not _well_typed(claims):
            raise _invalid("wrong_type")
        now, role, user_id = self._wall_clock(), claims.get("role"), claims.get("sub")
        expires, not_before = claims.get("exp"), claims.get("nbf", 0)
        if not _is_time(expires) or not _is_time(not_before) or not _is_time(claims.get("iat", 0)):
            raise _invalid("no_time")
        if now >= expires + LEEWAY_SECONDS:
            raise _noted(Unauthorized(code=ErrorCode.TOKEN_EXPIRED), "expired")
        if now < not_before - LEEWAY_SECONDS:
            raise _invalid("not_yet_valid")
        if role in _KEY_ROLES:  # an API key carries neither audience nor subject: say what is wrong with it
            raise _noted(Forbidden(), "api_key")
        audience = claims.get("aud")
        if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
            raise _invalid("wrong_audience")
        if claims.get("iss") != self._issuer:
            raise _invalid("wrong_issuer", expected=self._issuer)
        if user_id is None or not _UUID.fullmatch(user_id) or role is None:
            raise _invalid("no_user")
        if claims.get("is_anonymous") and not self._allow_anonymous:
            raise _noted(Forbidden(), "anonymous")
        if role != USER_ROLE:
            raise _noted(Forbidden(), "wrong_role")
        return User(id=user_id, role=role, operator=is_operator(claims, self._operator_role))


def is_operator(claims: Mapping[str, Any], operator_role: str | None) -> bool:
    """Whether `app_metadata.role` is OPERATOR_ROLE, or `app_metadata.roles` holds it. This alone decides it.

    Only the project itself writes `app_metadata`. `user_metadata` is the user's own to write, and the claim `role`
    names a role of the database: neither counts. Without OPERATOR_ROLE there are no operators.
    """
    metadata = claims.get("app_metadata")
    if not operator_role or not isinstance(metadata, Mapping):
        return False
    role, roles = metadata.get("role"), metadata.get("roles")
    return role == operator_role or (isinstance(roles, list) and operator_role in roles)


def _well_typed(claims: Mapping[str, Any]) -> bool:
    """Whether each claim that is there and read here has the type that it must have."""
    audience = claims.get("aud", "")
    audiences = audience if isinstance(audience, list) else [audience]
    texts = [*audiences, *(claims.get(name, "") for name in ("role", "sub", "iss"))]
    return all(isinstance(text, str) for text in texts) and isinstance(claims.get("is_anonymous") or False, bool)


def _is_time(value: object) -> TypeGuard[float]:
    """A number of seconds that a date can have; bool, NaN and infinities are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e12 < value < 1e12
