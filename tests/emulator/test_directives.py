"""What can be typed into a message, and what the model makes of it."""

import pytest

from dev.emulator.brain.directed import follow_directives
from dev.emulator.brain.directives import Directive, read_directives
from dev.emulator.brain.plan import Outcome, Prompt, ToolCall, ToolOutput


@pytest.mark.parametrize(
    ("text", "directives", "rest"),
    [
        ("hello", (), "hello"),
        ("[[slow 3]] hello", (Directive("slow", "3"),), "hello"),
        ("hello [[fail]] world", (Directive("fail"),), "hello world"),
        ("a\nb [[never]][[ignore-cancel 20]]", (Directive("never"), Directive("ignore-cancel", "20")), "a\nb"),
        ("[[say exactly  this]]", (Directive("say", "exactly  this"),), ""),
        ('[[tool look {"at": "it"}]] go', (Directive("tool", "look", '{"at": "it"}'),), "go"),
        ("[[tool look]]", (Directive("tool", "look"),), ""),
        (
            '[[tool ask_b {"message": "[[slow 2]] hi"}]]',
            (Directive("tool", "ask_b", '{"message": "[[slow 2]] hi"}'),),
            "",
        ),
        ("[[unknown 3]] stays", (), "[[unknown 3]] stays"),
        ('[[tool broken {"a": ]] stays', (), '[[tool broken {"a": ]] stays'),
        ("[[slow 3", (), "[[slow 3"),
        ("[[slower]]", (), "[[slower]]"),
    ],
)
def test_directives_are_read_and_taken_out(text: str, directives: tuple[Directive, ...], rest: str) -> None:
    assert read_directives(text) == (directives, rest)


def test_the_reply_quotes_the_message_and_counts() -> None:
    assert follow_directives(Prompt("hello", 3)).text == "Emulated reply 3 to: hello"


def test_calls_come_once_and_the_answer_after_them_quotes_their_outputs() -> None:
    text = '[[tool a {"n": 1}]] [[tool b]] [[slow 2]] go'
    first = follow_directives(Prompt(text, 1))
    assert first.calls == (ToolCall("a", '{"n": 1}'), ToolCall("b", "{}"))
    assert first.work_seconds is None
    second = follow_directives(Prompt(text, 1, (ToolOutput("a", "one"), ToolOutput("b", "two")), called=True))
    assert second.calls == ()
    assert second.text == "Emulated reply 1 to: go (a -> one; b -> two)"
    assert second.work_seconds == 2


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.COMPLETE])
def test_every_outcome_can_be_asked_for(outcome: Outcome) -> None:
    assert follow_directives(Prompt(f"[[{outcome}]]", 1)).outcome is outcome


def test_a_failure_can_name_its_code() -> None:
    assert follow_directives(Prompt("[[fail]]", 1)).error_code == "server_error"
    assert follow_directives(Prompt("[[fail rate_limit]]", 1)).error_code == "rate_limit_exceeded"


def test_who_tells_what_the_model_was_given() -> None:
    prompt = Prompt("[[who]] hi", 1, model="m", instructions="be brief", tools=frozenset({"t"}))
    assert follow_directives(prompt).text == "Emulated reply 1 to: hi [model m; instructions: be brief; tools: t]"


@pytest.mark.parametrize("words", [1, 7, 8, 9, 50])
def test_the_pieces_of_a_reply_are_the_reply(words: int) -> None:
    plan = follow_directives(Prompt("[[say " + " ".join(str(each) for each in range(words)) + "]]", 1))
    assert "".join(plan.chunks) == plan.text
    assert len(plan.chunks) <= 8
