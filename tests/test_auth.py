from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import warnings
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.warnings import InsecureKeyLengthWarning

from shared import auth
from shared.auth import KeySet, TokenVerifier, bearer_token, is_operator
from shared.core.errors import ChatError, Forbidden, KeysUnavailable, Unauthorized
from tests.http.tokens import ALICE, ISSUER, SECRET, claims, token

EC = ec.generate_private_key(ec.SECP256R1())
EC_OTHER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
RSA_WEAK = rsa.generate_private_key(65537, 1024)
NOW = 1_800_000_000.0


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kind = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    return dict(json.loads(kind.to_jwk(key.public_key()))) | {"kid": kid, "use": "sig"} | more


def signed(key: Any, kid: str | None, algorithm: str = "ES256", **changes: Any) -> str:
    headers = changes.pop("headers", {}) | ({} if kid is None else {"kid": kid})
    return jwt.encode(claims(**({"iat": int(NOW), "exp": int(NOW) + 60} | changes)), key, algorithm, headers=headers)


def by_hand(header: dict[str, Any], payload: dict[str, Any] | bytes, signature: bytes = b"x") -> str:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    parts = (json.dumps(header).encode(), body, signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_by_hand(header: dict[str, Any], payload: dict[str, Any], secret: bytes = SECRET.encode()) -> str:
    """What a library would refuse to sign."""
    unsigned = by_hand(header, payload).rpartition(".")[0]
    mac = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class KeyServer:
    """Serves a key set on a real socket, and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [jwk(EC, "ec-1")]
        self.url = ""
        self.fetches, self.status = 0, 200
        self.gate, self.asked = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.body: bytes | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            self.fetches += 1
            self.asked.set()
            await self.gate.wait()
            body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
            head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def key_server() -> AsyncIterator[KeyServer]:
    served = KeyServer()
    server = await asyncio.start_server(served.handle, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    yield served
    served.gate.set()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def verifier(key_server: KeyServer, clock: FakeClock) -> AsyncIterator[TokenVerifier]:
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = KeySet(key_server.url, client, clock)
        yield TokenVerifier(
            issuer=ISSUER, secret=SECRET, keys=keys, operator_role="chat_operator", wall_clock=lambda: NOW
        )


async def refusal(verifier: TokenVerifier, text: str) -> str:
    with pytest.raises(ChatError) as caught:
        await verifier.verify(text)
    assert isinstance(caught.value, Unauthorized | Forbidden)
    return caught.value.code


def hs256(**changes: Any) -> str:
    return token(**({"iat": int(NOW), "exp": int(NOW) + 60} | changes))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing_token"),
        ("", "missing_token"),
        ("Bearer", "missing_token"),
        ("Bearer   ", "missing_token"),
        ("Basic dXNlcjpwYXNz", "invalid_token"),
        ("a.b.c", "invalid_token"),
        ("Bearer a.b", "invalid_token"),
        ("Bearer a.b.c.d", "invalid_token"),
        ("Bearer a.b.c d", "invalid_token"),
        ("Bearer a..c", "invalid_token"),
        ("Bearer a.b.", "invalid_token"),
        ("Bearer a.b.c=", "invalid_token"),
        ("Bearer a.b.\u00fc", "invalid_token"),
        ("Bearer a.b.c\n", "invalid_token"),
        (f"Bearer a.{'b' * 9000}.c", "invalid_token"),
    ],
)
def test_authorization_headers_that_carry_no_token(header: str | None, code: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        bearer_token(header)
    assert caught.value.code == code


@pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "])
def test_the_scheme_is_not_case_sensitive(header: str) -> None:
    assert bearer_token(header) == "a.b.c"


async def test_both_families_are_accepted(verifier: TokenVerifier, key_server: KeyServer) -> None:
    key_server.keys.append(jwk(RSA, "rsa-1"))
    for text in (hs256(), signed(EC, "ec-1"), signed(RSA, "rsa-1", "RS256"), hs256(aud=["authenticated", "other"])):
        user = await verifier.verify(text)
        assert (user.id, user.role) == (ALICE, "authenticated")
    assert key_server.fetches == 1


@pytest.mark.parametrize(
    ("claims", "operator"),
    [
        ({}, False),
        ({"app_metadata": {"role": "chat_operator"}}, True),
        ({"app_metadata": {"roles": ["editor", "chat_operator"]}}, True),
        ({"app_metadata": {"role": "editor", "roles": ["chat_operator"]}}, True),
        ({"app_metadata": {"role": "CHAT_OPERATOR"}}, False),
        ({"app_metadata": {"role": ["chat_operator"]}}, False),
        ({"app_metadata": {"roles": "chat_operator"}}, False),
        ({"app_metadata": {"roles": {"chat_operator": True}}}, False),
        ({"app_metadata": {"roles": [["chat_operator"]]}}, False),
        ({"app_metadata": {"claims": {"role": "chat_operator"}}}, False),
        ({"app_metadata": "chat_operator"}, False),
        ({"app_metadata": ["chat_operator"]}, False),
        ({"app_metadata": None}, False),
        ({"user_metadata": {"role": "chat_operator", "roles": ["chat_operator"]}}, False),
        ({"raw_app_meta_data": {"role": "chat_operator"}}, False),
        ({"roles": ["chat_operator"]}, False),
    ],
)
async def test_who_is_an_operator(verifier: TokenVerifier, claims: dict[str, Any], operator: bool) -> None:
    assert (await verifier.verify(hs256(**claims))).operator is operator


@pytest.mark.parametrize("role", [None, ""])
def test_without_a_role_for_them_there_are_no_operators(role: str | None) -> None:
    assert not is_operator({"app_metadata": {"role": role, "roles": [role, "", None]}}, role)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": int(NOW) - 11}, "token_expired"),
        ({"exp": None}, "invalid_token"),
        ({"exp": str(int(NOW) + 60)}, "invalid_token"),
        ({"exp": True}, "invalid_token"),
        ({"exp": float("nan")}, "invalid_token"),
        ({"exp": float("inf")}, "invalid_token"),
        ({"exp": [1]}, "invalid_token"),
        ({"nbf": int(NOW) + 60}, "invalid_token"),
        ({"nbf": "soon"}, "invalid_token"),
        ({"iat": {}}, "invalid_token"),
        ({"aud": None}, "invalid_token"),
        ({"aud": "anon"}, "invalid_token"),
        ({"aud": []}, "invalid_token"),
        ({"aud": {"authenticated": 1}}, "invalid_token"),
        ({"iss": None}, "invalid_token"),
        ({"iss": f"{ISSUER}/"}, "invalid_token"),
        ({"iss": [ISSUER]}, "invalid_token"),
        ({"sub": None}, "invalid_token"),
        ({"sub": ""}, "invalid_token"),
        ({"sub": "not-a-uuid"}, "invalid_token"),
        ({"sub": ALICE + "\n"}, "invalid_token"),
        ({"sub": "AAAAAAAA-1111-4111-8111-111111111111"}, "invalid_token"),
        ({"sub": 7}, "invalid_token"),
        ({"role": None}, "invalid_token"),
        ({"role": 1}, "invalid_token"),
        ({"role": "anon"}, "forbidden"),
        ({"role": "service_role"}, "forbidden"),
        ({"role": "postgres"}, "forbidden"),
        ({"role": "chat_operator"}, "forbidden"),
        ({"role": ""}, "forbidden"),
        ({"is_anonymous": True}, "forbidden"),
        ({"is_anonymous": "true"}, "invalid_token"),
        ({"role": "service_role", "sub": None, "aud": None, "iss": "supabase"}, "forbidden"),
    ],
)
@pytest.mark.parametrize("family", ["HS256", "ES256"])
async def test_claims(verifier: TokenVerifier, family: str, changes: dict[str, Any], code: str) -> None:
    payload = claims(**({"iat": int(NOW), "exp": int(NOW) + 60} | changes))
    key: Any = SECRET if family == "HS256" else EC
    body = json.dumps(payload).encode()
    text = jwt.PyJWS().encode(body, key, family, headers={"kid": "ec-1"})
    assert await refusal(verifier, text) == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (hs256(iss="https://chat.example.com/auth/v1"), "wrong_issuer"),
        (hs256(aud="anon"), "wrong_audience"),
        (hs256(exp=int(NOW) - 11), "expired"),
        (hs256(exp=None), "no_time"),
        (hs256(nbf=int(NOW) + 60), "not_yet_valid"),
        (hs256(sub=None), "no_user"),
        (hs256(role="postgres"), "wrong_role"),
        (hs256(role="service_role"), "api_key"),
        (hs256(is_anonymous=True), "anonymous"),
        (signed(EC, "ec-2"), "unknown_key"),
        (signed(EC_OTHER, "ec-1"), "bad_signature"),
        (by_hand({"alg": "none"}, claims()), "wrong_algorithm"),
        ("eA.e30.e30", "malformed"),
    ],
    ids=lambda value: value if "." not in value else "",
)
async def test_the_reason_of_a_refusal_is_in_the_log_and_not_in_the_answer(
    verifier: TokenVerifier, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    caplog.set_level("INFO", "multi_agent_chat")
    with pytest.raises(ChatError) as caught:
        await verifier.verify(text)
    (event,) = (vars(record)["event"] for record in caplog.records if record.message == "token.refused")
    assert event["reason"] == reason
    assert event.get("expected") == (ISSUER if reason == "wrong_issuer" else None)
    said = caught.value.message  # empty: the sentence of its code
    assert said == ""
    assert caught.value.details == {}


async def test_people_who_signed_in_anonymously_may_be_let_in() -> None:
    verifier = TokenVerifier(
        issuer=ISSUER, secret=SECRET, keys=None, allow_anonymous=True, wall_clock=lambda: NOW
    )  # fmt: skip
    assert (await verifier.verify(hs256(is_anonymous=True))).id == ALICE
    assert await refusal(verifier, hs256(role="anon", is_anonymous=True)) == "forbidden"


async def test_a_clock_a_little_off_does_no_harm(verifier: TokenVerifier) -> None:
    await verifier.verify(hs256(exp=int(NOW) - 5, nbf=int(NOW) + 5))


async def test_a_signature_must_be_right(verifier: TokenVerifier) -> None:
    header, payload, signature = hs256().split(".")
    changed = "A" if signature[0] != "A" else "B"
    assert await refusal(verifier, f"{header}.{payload}.{changed}{signature[1:]}") == "invalid_token"
    forged = base64.urlsafe_b64encode(json.dumps(claims(sub="x")).encode()).rstrip(b"=").decode()
    assert await refusal(verifier, f"{header}.{forged}.{signature}") == "invalid_token"
    assert await refusal(verifier, hs256(secret="another-secret-of-at-least-32-bytes-in-length")) == "invalid_token"
    assert await refusal(verifier, signed(EC_OTHER, "ec-1")) == "invalid_token"


async def test_the_key_decides_the_family(verifier: TokenVerifier, key_server: KeyServer) -> None:
    key_server.keys += [jwk(RSA, "rsa-1")]
    pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    now = claims(iat=int(NOW), exp=int(NOW) + 60)
    # the public key used as an HMAC secret
    confused = signed_by_hand({"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}, now, pem)
    assert await refusal(verifier, confused) == "invalid_token"
    for algorithm in (
        "none",
        "None",
        "nOnE",
        "",
        "HS384",
        "HS512",
        "PS256",
        "ES384",
        "EdDSA",
        "XX",
        None,
        7,
        ["HS256"],
    ):
        assert await refusal(verifier, by_hand({"alg": algorithm, "kid": "ec-1"}, now)) == "invalid_token"
    assert await refusal(verifier, signed(RSA, "ec-1", "RS256")) == "invalid_token"
    assert await refusal(verifier, signed(EC, "rsa-1")) == "invalid_token"


async def test_without_a_secret_hs256_is_nothing(key_server: KeyServer, clock: FakeClock) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = KeySet(key_server.url, client, clock)
        verifier = TokenVerifier(issuer=ISSUER, secret=None, keys=keys, wall_clock=lambda: NOW)
        assert await refusal(verifier, hs256()) == "invalid_token"
        assert await refusal(verifier, hs256(role="chat_operator")) == "invalid_token"
    assert key_server.fetches == 0


async def test_headers_that_point_to_keys_are_not_followed(verifier: TokenVerifier, key_server: KeyServer) -> None:
    pointers = {"jku": key_server.url, "x5u": key_server.url, "jwk": jwk(EC_OTHER, "evil"), "x5c": ["x"]}
    assert await refusal(verifier, signed(EC_OTHER, None, headers=pointers)) == "invalid_token"
    assert key_server.fetches == 0
    assert await refusal(verifier, signed(EC_OTHER, "ec-1", headers=pointers)) == "invalid_token"
    assert (await verifier.verify(signed(EC, "ec-1", headers={"jku": "http://evil.invalid"}))).id == ALICE
    extended: list[dict[str, Any]] = [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"b64": True}]
    now = claims(iat=int(NOW), exp=int(NOW) + 60)
    assert (await verifier.verify(signed_by_hand({"alg": "HS256"}, now))).id == ALICE
    for header in extended:
        assert await refusal(verifier, signed_by_hand({"alg": "HS256", **header}, now)) == "invalid_token"


@pytest.mark.parametrize("kid", ["", "x" * 256, 5, None, ["ec-1"], {"a": 1}])
async def test_a_key_id_that_is_none_fetches_nothing(verifier: TokenVerifier, key_server: KeyServer, kid: Any) -> None:
    assert await refusal(verifier, by_hand({"alg": "ES256", "kid": kid}, claims())) == "invalid_token"
    assert key_server.fetches == 0


@pytest.mark.parametrize(
    "header",
    [b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 3000, b'{"alg":"ES256","kid":"ec-1"', b'{"alg":' + b"[" * 3000],
)
async def test_headers_that_are_no_headers(verifier: TokenVerifier, header: bytes) -> None:
    encoded = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
    assert await refusal(verifier, f"{encoded}.e30.eA") == "invalid_token"


@pytest.mark.parametrize("payload", [b"[]", b"null", b"1", b'"x"', b"{", b"", b"\xff", b"[" * 3000])
async def test_payloads_that_are_no_claims(verifier: TokenVerifier, payload: bytes) -> None:
    assert await refusal(verifier, jwt.PyJWS().encode(payload, SECRET, "HS256")) == "invalid_token"


async def test_weak_and_foreign_keys_in_the_set_are_passed_over(verifier: TokenVerifier, key_server: KeyServer) -> None:
    oct_key = {"kty": "oct", "kid": "oct-1", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "alg": "HS256"}
    key_server.keys = [
        jwk(RSA_WEAK, "weak"),
        oct_key,
        jwk(EC, "encryption", use="enc"),
        jwk(EC, "lies", alg="RS256"),
        {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA", "y": "AA"},
        {"kty": ["EC"], "kid": "odd"},
        "nothing",  # type: ignore[list-item]
        jwk(EC, "ec-1"),
    ]
    with pytest.warns(InsecureKeyLengthWarning):
        weak = signed(RSA_WEAK, "weak", "RS256")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as it is where the function runs
        assert await refusal(verifier, weak) == "invalid_token"
    for kid in ("oct-1", "encryption", "lies", "broken", "odd"):
        assert await refusal(verifier, signed(EC, kid)) == "invalid_token"
    await verifier.verify(signed(EC, "ec-1"))
    assert key_server.fetches == 2


async def test_keys_are_kept_for_ten_minutes_and_no_longer(
    verifier: TokenVerifier, key_server: KeyServer, clock: FakeClock
) -> None:
    for _ in range(3):
        await verifier.verify(signed(EC, "ec-1"))
    clock.seconds += 599
    await verifier.verify(signed(EC, "ec-1"))
    assert key_server.fetches == 1
    key_server.keys = [jwk(EC_OTHER, "ec-2")]
    clock.seconds += 2
    assert await refusal(verifier, signed(EC, "ec-1")) == "invalid_token"
    assert key_server.fetches == 2


async def test_a_key_made_just_after_a_fetch_is_found_at_once(
    verifier: TokenVerifier, key_server: KeyServer, clock: FakeClock
) -> None:
    await verifier.verify(signed(EC, "ec-1"))
    key_server.keys.append(jwk(EC_OTHER, "ec-2"))
    clock.seconds += 0.1
    await verifier.verify(signed(EC_OTHER, "ec-2"))
    assert key_server.fetches == 2


async def test_unknown_ids_cause_one_fetch_in_thirty_seconds(
    verifier: TokenVerifier, key_server: KeyServer, clock: FakeClock
) -> None:
    await verifier.verify(signed(EC, "ec-1"))
    for number in range(50):
        assert await refusal(verifier, signed(EC_OTHER, f"made-up-{number}")) == "invalid_token"
    assert key_server.fetches == 2
    clock.seconds += 30
    key_server.keys.append(jwk(EC_OTHER, "ec-2"))
    await verifier.verify(signed(EC_OTHER, "ec-2"))
    assert await refusal(verifier, signed(EC_OTHER, "made-up")) == "invalid_token"
    assert key_server.fetches == 3


async def test_many_at_once_cause_one_fetch(verifier: TokenVerifier, key_server: KeyServer) -> None:
    key_server.gate.clear()
    tasks = [asyncio.create_task(verifier.verify(signed(EC, "ec-1"))) for _ in range(40)]
    await key_server.asked.wait()
    key_server.gate.set()
    assert {user.id for user in await asyncio.gather(*tasks)} == {ALICE}
    assert key_server.fetches == 1


async def test_nobody_with_a_known_key_waits_for_new_ones(
    verifier: TokenVerifier, key_server: KeyServer, clock: FakeClock
) -> None:
    await verifier.verify(signed(EC, "ec-1"))
    clock.seconds += 601
    key_server.gate.clear()
    key_server.asked.clear()
    fetching = asyncio.create_task(verifier.verify(signed(EC, "ec-1")))
    await key_server.asked.wait()
    assert (await verifier.verify(signed(EC, "ec-1"))).id == ALICE
    assert not fetching.done()
    key_server.gate.set()
    await fetching


@pytest.mark.parametrize("fault", ["status", "no json", "no keys", "too long", "deep"])
async def test_stale_keys_serve_while_new_ones_cannot_be_had(
    verifier: TokenVerifier, key_server: KeyServer, clock: FakeClock, fault: str
) -> None:
    await verifier.verify(signed(EC, "ec-1"))
    clock.seconds += 601
    key_server.status = 500 if fault == "status" else 200
    bodies = {
        "no json": b"<html>",
        "no keys": b"[]",
        "too long": b'{"keys":[]}' + b" " * auth.MAX_JWKS_BYTES,
        "deep": b"[" * 9000,
    }
    key_server.body = bodies.get(fault)
    for _ in range(10):
        await verifier.verify(signed(EC, "ec-1"))
    assert key_server.fetches == 2
    with pytest.raises(KeysUnavailable):
        await verifier.verify(signed(EC, "unknown"))
    assert key_server.fetches == 2
    clock.seconds += auth.RETRY_SECONDS
    key_server.status, key_server.body = 200, None
    await verifier.verify(signed(EC, "ec-1"))
    assert await refusal(verifier, signed(EC, "unknown")) == "invalid_token"
    assert key_server.fetches == 4


async def test_without_any_keys_nobody_is_called_a_liar(clock: FakeClock) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = KeySet("http://127.0.0.1:9/jwks.json", client, clock)
        verifier = TokenVerifier(issuer=ISSUER, secret=SECRET, keys=keys, wall_clock=lambda: NOW)
        with pytest.raises(KeysUnavailable) as caught:
            await verifier.verify(signed(EC, "ec-1"))
        assert caught.value.retryable
        assert (await verifier.verify(hs256())).id == ALICE
