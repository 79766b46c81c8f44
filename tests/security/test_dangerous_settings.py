"""Settings that would give keys or rights away are refused, and a name gives an agent nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.core.model import Agent
from shared.settings import SettingsError, load_settings
from shared.tools.registry import Registry
from tests.http.conftest import ENVIRONMENT

ADDRESSES = ("OPENAI_BASE_URL", "SUPABASE_URL", "SUPABASE_JWKS_URL", "WEBHOOK_URL")
PLAIN = "http://api.example.com/v1"
WEBHOOK = {"WEBHOOK_URL": "https://hooks.example.com", "WEBHOOK_SECRET": "whsec_" + "a" * 32}


@pytest.mark.parametrize("secret", ["x", "x" * 15])
def test_the_scheduler_has_no_secret_that_can_be_guessed(secret: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(ENVIRONMENT | {"MAINTENANCE_SECRET": secret})
    assert set(refused.value.faults) == {"MAINTENANCE_SECRET"}


@pytest.mark.parametrize("name", ADDRESSES)
def test_no_key_travels_as_plain_text_unless_a_setting_says_so(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(ENVIRONMENT | WEBHOOK | {name: PLAIN})
    assert set(refused.value.faults) == {name}
    assert load_settings(ENVIRONMENT | WEBHOOK | {name: PLAIN, "SEND_KEYS_UNENCRYPTED": "true"}).send_keys_unencrypted


def test_an_agent_of_a_users_own_that_is_called_like_a_privileged_one_has_none_of_its_tools() -> None:
    registry = Registry()

    @registry.tool(idempotent=False, agents={"accountant"})
    async def pay(context: object, amount: int) -> str:
        """Pays so much."""
        return str(amount)

    privileged = Agent("accountant", "Accountant", "Pays.", "m", "", None, tools=("pay",))
    assert set(registry.of(privileged)) == {"pay"}
    assert registry.of(replace(privileged, owned=True)) == {}
