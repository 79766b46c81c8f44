"""The refusals that carry no code: what servers write, recognised by the shape of their sentence.

The English words are what the vendors send (observed; the Assistants wire has nothing else). A sentence counts only
where the message begins with it, bare of quotations, so that a user's text that an error repeats is never taken for
the server's own.
"""

from __future__ import annotations

import re

from shared.providers.refusals.busy import active_run_id, is_busy, is_held
from shared.providers.refusals.error_body import own_words
from shared.providers.refusals.patterns import ABOUT_VALUE, ID, ONE, RUN, STOP, TAIL, THREAD
from shared.providers.text import one_line, without_quotations

_LEADS_TO_A_QUOTE = re.compile(
    rf"\b(?:{ABOUT_VALUE}|unsupported|parameter|argument|schema|inputs?|contents?|messages?|text|prompt|user|said|wrote"
    r"|too long|limit|length|exceed\w*|tool|output)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?P<before>.{1,80}?(?:[:.!|\-\u2013\u2014](?=\s)|[\u3002\uff1a\uff01]))\s*(?=\S)",
    re.DOTALL,
)

_THREAD_GONE = re.compile(
    r"no (?:such )?(?:thread|conversation)s?\b(?! items?)"
    rf"|{THREAD}(?:{ID})? (?:was|has been|is) deleted"
    rf"|{THREAD}(?:{ID})? (?:was |were |is |could |can |has |does |do )?(?:not|n't|no longer|been|cannot)"
    r" ?(?:be )?(?:found|exist|deleted|available)"
    rf"|{THREAD}(?:{ID})? (?:doesn't|does not|no longer) exists?"
    rf"|(?:could not|couldn't|cannot|can't|unable to|did not) find (?:thread|conversation)\b"
    r"|unknown (?:thread|conversation)\b"
    r"|(?:thread|conversation) not[ _]found"
    r"|previous response .{0,5000}?not found",
    re.IGNORECASE,
)
_RUN_GONE = re.compile(
    r"no (?:such )?(?:run|response|item|message)s?\b"
    rf"|(?:the |this )?(?:run|response|item|message)(?:{ID})?"
    r" (?:was |is |could |does |do )?(?:not|no longer) ?(?:be )?(?:found|exist)"
    r"|(?:could not|couldn't|cannot|can't|unable to) find (?:run|response|item|message)\b"
    r"|unknown (?:run|response)\b",
    re.IGNORECASE,
)
_OBJECT_GONE = re.compile(
    r"no (?:such )?(?!route\b|url\b|path\b|endpoint\b|page\b)\w+ (?:was )?found with"
    r"|(?!(?:request|url|path|route|endpoint|page|resource)\b)\w+ (?:with )?(?:id ?)?\S+"
    r" (?:was |could |is |does )?not (?:be )?(?:found|exist)",
    re.IGNORECASE,
)
_UNANSWERED = re.compile(
    r"no tool outputs? (?:was |were )?(?:found|provided|given) for (?:the )?(?:\w+ ){0,2}?calls?"
    r"(?:(?: with)?(?: call_?| )ids?)?[ :]*(?P<id>[^\s,]*)"
    r"|an assistant message with tool_calls must be followed by .{0,300}?response messages: ?(?P<id2>[^\s,]*)",
    re.IGNORECASE,
)
_NOT_CANCELLABLE = re.compile(
    r"(?:can ?not|can't|could not|couldn't|unable to) cancel\b"
    r"|only (?:\w+ ){0,4}?(?:runs|responses|tasks)\b.{0,80}\bcancel"
    rf"|{ONE}{RUN}(?:{ID})? (?:can ?not|can't) be cancell?ed"
    rf"|{ONE}{RUN}(?:{ID})? (?:is|was|has been) (?:already|not) cancell?(?:ed|ing|able)",
    re.IGNORECASE,
)
_NO_QUOTA = re.compile(
    r"you (?:have )?exceeded your (?:current )?quota"
    r"|your (?:account|credit|balance) .{0,60}(?:credit|balance|billing|funds)"
    r"|insufficient (?:quota|credits?|funds|balance)|billing hard limit",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"(?:the |this |requested )*(?:model|deployment)(?: .{1,200}?)? (?:does not exist|doesn't exist"
    r"|(?:was |is )?not (?:be )?found|is not (?:available|supported)|has been (?:deprecated|retired|shut ?down)"
    r"|(?:is|was) (?:deprecated|retired))",
    re.IGNORECASE,
)
_NO_ASSISTANT = re.compile(
    rf"no (?:such )?assistant(?: was)?(?: found\b|{ID})"
    rf"|(?:the |an? )?assistant(?:{ID})? (?:(?:was |is |could |can ?)?not (?:be )?found|(?:does not|doesn't) exist)",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"this model's maximum context length|your input exceeds the context window|maximum context (?:length|window)"
    r"|(?:the )?(?:prompt|input|context|request) (?:is |was )?too (?:long|many tokens)",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"maximum context length|too (?:many tokens|long for (?:the|this) model)"
    r"|(?:exceed\w*|over|beyond) (?:the |this |its )?(?:model(?:'s)? |maximum )?(?:context|token limit)"
    r"|(?:prompt|input|context|request|message) (?:is |was )?too (?:long|large)",
    re.IGNORECASE,
)
_NOT_TAKEN = re.compile(
    r"\b(?:not? (?:supported|allowed|permitted|accepted|recognized|implemented)|unsupported|unknown|unrecognized"
    r"|unexpected|invalid|extra"
    r"|does(?: not|n't) (?:support|accept|allow))\b",
    re.IGNORECASE,
)
_UNKNOWN_PARAMETER = re.compile(
    r"\b(?:(?:unknown|unrecognized|unexpected|extra|additional)\b.{0,40}\b"
    r"(?:parameters?|fields?|arguments?|inputs?|propert(?:y|ies)|keys?)"
    r"|(?:unsupported|not (?:supported|permitted|implemented))|does(?: not|n't) support)\b",
    re.IGNORECASE,
)
_FLAGGED = re.compile(
    r"\b(?:was |were |been |is |are )?flagged\b|content (?:management )?policy|usage polic(?:y|ies)|content filter"
    r"|(?:prompt|message|input|content) (?:was|were|has been) (?:filtered|blocked)|moderation\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_NO_DIGIT = re.compile(r"\D")
_AMOUNT = r"[:=]?\s*(\d[\d,_.]*)"
_LIMIT = re.compile(rf"\b(?:limit|of|maximum|max|allowed)\b(?: is)?{_AMOUNT}", re.IGNORECASE)
_REQUESTED = re.compile(rf"\brequested\b{_AMOUNT}", re.IGNORECASE)


class Sentence:
    """One error message, read once."""

    def __init__(self, message: str) -> None:
        said = one_line(without_quotations(message))
        self._said = own_words(said) or said
        self._words = frozenset(map(str.lower, _WORD.findall(self._said)))

    def busy(self) -> bool:
        """That another run holds the thread."""
        return any(map(is_busy, self._starts()))

    def held(self) -> bool:
        """For a 409 or 423 only: that something else is at work."""
        return is_held(self._said)

    def active_run_id(self) -> str | None:
        return active_run_id(self._said)

    def thread_gone(self) -> bool:
        return any(_THREAD_GONE.match(start) for start in self._starts())

    def run_gone(self) -> bool:
        return any(_RUN_GONE.match(start) for start in self._starts())

    def names_an_object(self) -> bool:
        """That something with an id was not found; "Not Found" alone and "Invalid URL" name nothing."""
        return any(_OBJECT_GONE.match(start) for start in self._starts())

    def unanswered_call(self) -> str | None:
        """The id of the call that waits; empty where the sentence names none; None where it is another sentence."""
        for start in self._starts():
            if found := _UNANSWERED.match(start):
                return STOP.split(found["id"] or found["id2"] or "")[0].rstrip(TAIL)
        return None

    def not_cancellable(self) -> bool:
        return any(_NOT_CANCELLABLE.match(start) for start in self._starts())

    def no_quota(self) -> bool:
        return any(_NO_QUOTA.match(start) for start in self._starts())

    def no_model(self) -> bool:
        return any(_NO_MODEL.match(start) for start in self._starts())

    def too_long(self) -> bool:
        """That the input does not fit, or asks for more at once than the limit ever allows."""
        if any(_TOO_LONG.match(start) or _LENGTH.match(start) for start in self._starts()):
            return True
        limit, requested = _LIMIT.search(self._said), _REQUESTED.search(self._said)
        return limit is not None and requested is not None and _amount(requested[1]) > _amount(limit[1])

    def flagged(self) -> bool:
        """That what was said breaks the provider's rules."""
        return _FLAGGED.search(self._said) is not None

    def names_parameter(self, name: str) -> bool:
        """That the server does not take this field of the request."""
        return self.mentions(name) and _NOT_TAKEN.search(self._said) is not None

    def unknown_parameter(self, name: str) -> bool:
        """That the server has no such field at all, and not that it dislikes what stands in it."""
        return self.mentions(name) and _UNKNOWN_PARAMETER.search(self._said) is not None

    def no_assistant(self) -> bool:
        """That the assistant does not exist."""
        return any(_NO_ASSISTANT.match(start) for start in self._starts())

    def mentions(self, *words: str) -> bool:
        return not self._words.isdisjoint(words)

    def _starts(self) -> list[str]:
        """Where a sentence of the server's own may begin: at the front, or behind a short remark of a gateway."""
        starts = [self._said]
        rest = self._said
        for _ in range(3):
            before = _BEFORE.match(rest)
            if before is None or _LEADS_TO_A_QUOTE.search(before["before"]):
                break
            rest = rest[before.end() :]
            starts.append(rest)
        return starts


def _amount(written: str) -> int:
    return int(_NO_DIGIT.sub("", written.rstrip(".")) or 0)
