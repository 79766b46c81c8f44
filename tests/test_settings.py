from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from shared.core.turns import MultitaskStrategy
from shared.settings import Settings, SettingsError, load_settings

CANARY = "canary-5c1a-never-shown"
REQUIRED = {
    "OPENAI_API_KEY": f"sk-{CANARY}",
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_SECRET_KEY": f"sb_secret_{CANARY}",
}
ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / ".env.example"


def faults(**environment: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(REQUIRED | environment)
    assert CANARY not in str(caught.value)
    return caught.value.faults


def test_defaults_are_the_documented_ones() -> None:
    settings = load_settings(REQUIRED)
    assert (settings.provider, settings.responses_state, settings.responses_background) == (
        "responses",
        "conversation",
        "auto",
    )
    assert (settings.wait_budget_seconds, settings.run_budget_seconds, settings.cancel_wait_seconds) == (150, 300, 15)
    assert (settings.coalesce_seconds, settings.poll_min_seconds, settings.poll_max_seconds) == (0, 0.25, 2)
    assert (settings.provider_timeout_seconds, settings.lease_seconds) == (8, 15)
    assert (settings.max_handoffs, settings.max_tool_calls, settings.max_open_turns) == (10, 24, 8)
    assert (settings.messages_per_minute, settings.carry_over_messages) == (30, 10)
    assert settings.multitask_strategy is MultitaskStrategy.ENQUEUE
    assert (settings.sweep_seconds, settings.log_execution_id, settings.allow_anonymous_users) == (50, False, False)
    assert settings.jwks_url == "https://project.supabase.co/auth/v1/.well-known/jwks.json"


def test_an_empty_variable_is_an_unset_one() -> None:
    settings = load_settings(REQUIRED | {"WAIT_BUDGET_SECONDS": "", "SUPABASE_JWT_SECRET": " ", "OPERATOR_ROLE": ""})
    assert settings.wait_budget_seconds == 150
    assert settings.supabase_jwt_secret is None
    assert settings.operator_role is None


def test_all_faults_are_named_at_once_and_in_order() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                "OPENAI_API_KEY": f"sk {CANARY}",
                "PROVIDER": CANARY,
                "SUPABASE_URL": f"ftp://{CANARY}",
                "SUPABASE_JWT_SECRET": "canary-5c1a",
                "ALLOWED_ORIGINS": f"https://{CANARY}.example.com/path",
                "POLL_MIN_SECONDS": "3",
                "POLL_MAX_SECONDS": "2",
                "MAX_OPEN_TURNS": "0",
                "LOG_LEVEL": CANARY,
            }
        )
    assert list(caught.value.faults) == [
        "OPENAI_API_KEY",
        "PROVIDER",
        "SUPABASE_URL",
        "SUPABASE_SECRET_KEY",
        "SUPABASE_JWT_SECRET",
        "ALLOWED_ORIGINS",
        "POLL_MIN_SECONDS",
        "MAX_OPEN_TURNS",
        "LOG_LEVEL",
    ]
    assert caught.value.faults["SUPABASE_SECRET_KEY"] == "is missing"
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value)


@pytest.mark.parametrize(
    "value",
    ["*", "https://*.example.com", "https://a.example.com/", "a.example.com", "null", "https://a b", "HTTPS://A.B"],
)
def test_only_exact_origins(value: str) -> None:
    assert list(faults(ALLOWED_ORIGINS=value)) == ["ALLOWED_ORIGINS"]


def test_origins_are_a_list() -> None:
    settings = load_settings(
        REQUIRED | {"ALLOWED_ORIGINS": "https://a.example.com, http://localhost:5173,http://[::1]:3000"}
    )
    assert settings.allowed_origins == ("https://a.example.com", "http://localhost:5173", "http://[::1]:3000")


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "soon", "1e99", "True"])
@pytest.mark.parametrize("name", ["WAIT_BUDGET_SECONDS", "LEASE_SECONDS", "POLL_MAX_SECONDS"])
def test_durations_are_positive_numbers(name: str, value: str) -> None:
    assert name in faults(**{name: value})


@pytest.mark.parametrize(
    "value",
    ["http://", "//host", "https://u:p@host", "https://host?x", "https://host#x", "https://host:99999", "https://h h"],
)
@pytest.mark.parametrize("name", ["SUPABASE_URL", "OPENAI_BASE_URL", "SUPABASE_JWKS_URL"])
def test_addresses_are_addresses(name: str, value: str) -> None:
    assert list(faults(**{name: value})) == [name]


def test_an_issuer_of_its_own_moves_no_keys() -> None:
    """A self-hosted stack: the function reaches it by an inner address, browsers by a public one."""
    inner, public = "http://kong:8000", "https://supabase.example.org/auth/v1"
    settings = load_settings(REQUIRED | {"SUPABASE_URL": inner, "SUPABASE_JWT_ISSUER": public})
    assert settings.issuer == public
    assert settings.jwks_url == f"{inner}/auth/v1/.well-known/jwks.json"
    assert load_settings(REQUIRED | {"SUPABASE_JWT_ISSUER": f"{public}/"}).issuer == f"{public}/"
    assert load_settings(REQUIRED).issuer == "https://project.supabase.co/auth/v1"
    assert faults(SUPABASE_JWT_ISSUER="supabase").keys() == {"SUPABASE_JWT_ISSUER"}


def test_settings_that_contradict_each_other() -> None:
    assert list(faults(POLL_MIN_SECONDS="2.5", POLL_MAX_SECONDS="2")) == ["POLL_MIN_SECONDS"]


@pytest.mark.parametrize(
    ("given", "poll"),
    [
        ({}, (0.25, 2)),
        ({"POLL_MIN_SECONDS": "3"}, (3, 3)),
        ({"POLL_MAX_SECONDS": "0.1"}, (0.1, 0.1)),
        ({"POLL_MIN_SECONDS": "0.1"}, (0.1, 2)),
    ],
)
def test_one_end_of_the_poll_interval_moves_the_other(given: dict[str, str], poll: tuple[float, float]) -> None:
    settings = load_settings(REQUIRED | given)
    assert (settings.poll_min_seconds, settings.poll_max_seconds) == poll


def test_a_wrong_setting_is_not_blamed_on_another_one() -> None:
    assert list(faults(POLL_MIN_SECONDS="none", POLL_MAX_SECONDS="0.1")) == ["POLL_MIN_SECONDS"]


def test_secrets_are_not_shown() -> None:
    secret = f"{CANARY}-0123456789-0123456789"
    settings = load_settings(REQUIRED | {"SUPABASE_JWT_SECRET": secret, "MAINTENANCE_SECRET": secret})
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings.model_dump())


def test_the_example_lists_every_setting_in_order_with_its_default() -> None:
    text = EXAMPLE.read_text()
    listed = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert list(listed) == [name.upper() for name in Settings.model_fields]
    for name in listed:
        assert re.search(rf"^# .+\n{name}=", text, re.MULTILINE), f"{name} has no comment"
    defaults = load_settings(REQUIRED)
    assert load_settings({name: value for name, value in listed.items() if value} | REQUIRED) == defaults
    given = {name for name, value in listed.items() if value}
    unset = {name.upper() for name in Settings.model_fields if getattr(defaults, name) in (None, ())}
    assert given == listed.keys() - unset - REQUIRED.keys()


def test_every_setting_is_explained() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
    assert [name for name in Settings.model_fields if not re.search(rf"\b{name.upper()}\b", pages)] == []


def read_of(tree: ast.AST, *holders: str) -> set[str]:
    """The attributes that are read of what is called so, alone or as another's attribute."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ((isinstance(node.value, ast.Name) and node.value.id in holders)
             or (isinstance(node.value, ast.Attribute) and node.value.attr in holders))
    }  # fmt: skip


def test_no_setting_is_without_effect() -> None:
    """Each is read somewhere: by its name, or by a property of the settings that is read in its turn."""
    files = [path for room in ("shared", "functions") for path in sorted((ROOT / room).rglob("*.py"))]
    used: set[str] = set()
    own: dict[str, set[str]] = {}
    for path in files:
        tree = ast.parse(path.read_text())
        used |= read_of(tree, "settings", "_settings")
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == "Settings":
                own = {one.name: read_of(one, "self") for one in node.body if isinstance(one, ast.FunctionDef)}
    assert len(own) > 3
    effective = used.union(*(read for name, read in own.items() if name in used))
    assert [name for name in Settings.model_fields if name not in effective] == []


@pytest.mark.parametrize("secret", ["x", "x" * 15])
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    assert faults(MAINTENANCE_SECRET=secret) == {"MAINTENANCE_SECRET": "must be at least 16 characters long"}
    assert load_settings(REQUIRED | {"MAINTENANCE_SECRET": "x" * 16}).maintenance_secret is not None


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "SUPABASE_URL", "SUPABASE_JWKS_URL"])
@pytest.mark.parametrize("host", ["api.example.com", "10.0.0.5", "192.168.1.2", "[2001:db8::1]", "local.example.com"])
def test_keys_are_not_sent_to_another_host_as_plain_text(name: str, host: str) -> None:
    address = {name: f"http://{host}:8000/v1"}
    assert set(faults(**address)) == {name}
    assert "SEND_KEYS_UNENCRYPTED" in faults(**address)[name]
    assert load_settings(REQUIRED | address | {"SEND_KEYS_UNENCRYPTED": "true"}).send_keys_unencrypted
    load_settings(REQUIRED | {name: f"https://{host}:8000/v1"})


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "[::1]", "localhost", "kong", "a.localhost", "a.docker.internal"]
)
def test_a_host_that_is_this_machine_or_its_containers_may_be_plain(host: str) -> None:
    load_settings(REQUIRED | {"OPENAI_BASE_URL": f"http://{host}:8000/v1", "SUPABASE_URL": f"http://{host}:8000"})
