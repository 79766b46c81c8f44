"""Keys and tokens of our own, as Supabase would issue them."""

from __future__ import annotations

import time
from typing import Any

import jwt

SUPABASE_URL = "https://project.supabase.invalid"
ISSUER = f"{SUPABASE_URL}/auth/v1"
SECRET = "a-secret-of-our-own-that-is-at-least-32-bytes-long"
ALICE = "11111111-1111-4111-8111-111111111111"
BOB = "22222222-2222-4222-8222-222222222222"


def claims(user_id: str = ALICE, **changes: Any) -> dict[str, Any]:
    """A signed-in user's claims; a change to None takes the claim out."""
    now = int(time.time())
    all_claims = {
        "sub": user_id,
        "role": "authenticated",
        "aud": "authenticated",
        "iss": ISSUER,
        "iat": now,
        "exp": now + 3600,
        "is_anonymous": False,
    } | changes
    return {name: value for name, value in all_claims.items() if value is not None}


def token(user_id: str = ALICE, *, secret: str = SECRET, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(user_id, **changes), secret, algorithm="HS256", headers=headers)


def bearer(user_id: str = ALICE, **changes: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {token(user_id, **changes)}"}
