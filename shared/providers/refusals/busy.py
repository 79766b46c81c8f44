"""That another run is in the way, and which: sentences, because the Assistants wire gives no code for it."""

from __future__ import annotations

import re

from shared.providers.refusals.patterns import ABOUT_VALUE, ID, ONE, RUN, RUNNING, STILL, STOP, TAIL, THREAD

_BUSY = re.compile(
    "|".join(
        (
            # Thread T already has an active run R. Conversation already has an active response in progress: R.
            rf"{THREAD}(?:{ID})? (?:{STILL} )?ha(?:s|ve) (?:{STILL} )?{ONE}"
            rf"(?:{RUNNING} {RUN}s?\b|{RUN} {RUNNING})",
            rf"there (?:is|are) (?:{STILL} )?{ONE}(?:{RUNNING} {RUN}s?\b|{RUN}(?:{ID})? {RUNNING})",
            # Can't add messages to T while a run R is active.
            r"(?:can't|can ?not|could not|couldn't|unable to) (?:\w+ ){1,4}?(?:messages?|runs?|responses?|items?)\b"
            rf".{{0,5000}}? (?:while|because|as|when) {ONE}(?:{RUNNING} )?{RUN}\b",
            # Thread is already running a task. Conversation is locked - task is in_progress.
            rf"{THREAD}(?:{ID})? is (?:{STILL} )?"
            r"(?:being (?:processed|used|modified)|locked|busy|in use|running|processing|occupied)\b",
            # Another process is currently operating on this conversation.
            rf"(?:another|an?|the) (?:\w+ )?(?:process|{RUN})(?:{ID})? is (?:{STILL} )?"
            rf"(?:operating|working|running|processing|{RUNNING})\b",
            # Run R is already active on thread T.
            rf"{ONE}(?:{RUNNING} )?{RUN}(?:{ID})? "
            rf"(?:is {STILL} (?:{RUNNING}|executing)|already exists (?:on|for|in))\b",
        )
    ),
    re.IGNORECASE,
)
# What a 409 or 423 may say anywhere: its status alone says that something else stands in the way.
_HELD = re.compile(
    rf"\b(?:lock(?:ed)?|busy|in[-_ ]use|in[-_ ]progress|already (?:running|active|processing)|{RUNNING} {RUN}"
    rf"|another (?:process|{RUN}|operation)|currently (?:processing|operating|running|being)|concurrent)\b",
    re.IGNORECASE,
)
# Unless it says what else was asked of a run that is not in the right state for it.
_ABOUT_REQUEST = re.compile(
    rf"\b(?:{ABOUT_VALUE}|unsupported|parameter|argument|schema|not accept"
    r"|(?:can ?not|can't) (?:cancel|update|modify))\b",
    re.IGNORECASE,
)
_GAP = r"(?: with)?(?: ids?)?\s{0,9}[:=#]?\s{0,9}[(\[<]?"
_HOLDER = re.compile(
    rf"\b{RUNNING} {RUN}s?\b(?P<gap>(?: in progress)?{_GAP})(?P<id>[^\s()\[\]<>]{{1,5000}})"
    rf"|\b{RUN}(?P<gap2>{_GAP})(?P<id2>[^\s()\[\]<>]{{1,5000}}?)[)\]>]? is\b",
    re.IGNORECASE,
)
_NAMED_RUN = re.compile(r"(?<![\w\-/.:])(?:run|resp|response)_[^\s()\[\]<>\"'`]+")
_NOT_AN_ID = re.compile(
    r"a|active|activity|again|already|an|and|any|at|because|before|being|but|by|cancel|currently|first|for"
    r"|from|has|here|if|in|is|it|not|now|of|on|or|pending|please|progress|retry|right|run|running|since|so"
    r"|still|task|that|the|there|this|thread|to|today|try|until|wait|when|which|while|with|you",
    re.IGNORECASE,
)


_LIKE_AN_ID = re.compile(r"[\d_\-/:.]|[a-z][A-Z]|[^\x00-\x7f]")
_NAMES = re.compile(r"[\d_\-]")  # what a plain word does not hold
_NO_RUN = re.compile(r"run_(?:in_progress|active|locked|conflict|exists)")
_ESCAPES = re.compile(r"\\[nrt]|(?<!\\)\\++(?=[\"'])")

# The vendor's two sentences about a thread's active run, however they are wrapped, quoted or introduced.
_OPENS, _ID, _CLOSES = r"[\"'`(\[<]{0,9}", r"[^\s\"'`()\[\]<>{},;]{1,4000}", r"[\"'`)\]>]{0,9}"
_ACTIVE_RUN = re.compile(
    rf"already\s+has\s+an\s+active\s+run\b(?:\s+{_OPENS}(?P<id>{_ID}))?"
    rf"|while\s+a\s+run\b(?:\s+{_OPENS}(?P<id2>{_ID}){_CLOSES})?.{{0,100}}?\bis\s+active\b",
    re.IGNORECASE | re.DOTALL,
)


def told_active_run(text: str) -> str | None:
    """The id of the run that one of the two sentences speaks of, anywhere in a body; empty where the sentence names
    none; None where there is no such sentence."""
    found = _ACTIVE_RUN.search(_ESCAPES.sub(" ", text))
    if found is None:
        return None
    named = (found["id"] or found["id2"] or "").rstrip(TAIL)
    return named if _NAMES.search(named) and not _NOT_AN_ID.fullmatch(named) else ""


def is_busy(start: str) -> bool:
    """Whether the text begins with a sentence that says so."""
    return _BUSY.match(start) is not None


def is_held(said: str) -> bool:
    """Whether a 409 or 423 speaks of something else at work."""
    return _HELD.search(said) is not None and _ABOUT_REQUEST.search(said) is None


def active_run_id(said: str) -> str | None:
    """The id of the run in the way. Ids are opaque: any alphabet, any length, with or without a prefix."""
    for found in _HOLDER.finditer(said):
        # A word between "run" and "is" names it, wherever the sentence ends.
        identifier = _identifier(found["id"] or found["id2"], said[found.end() :] if found["id"] else "")
        if identifier:
            return identifier
    for found in _NAMED_RUN.finditer(said):
        identifier = _identifier(found[0], "")
        if identifier and not _NO_RUN.fullmatch(identifier):
            return identifier
    return None


def _identifier(token: str, following: str) -> str | None:
    """The token as an id, or None for a plain word. A word that ends its sentence is taken for an id."""
    ends = bool(STOP.search(token)) or token[-1:] in TAIL or not following.strip() or following[:1] in ")]>"
    token = STOP.split(token)[0].rstrip(TAIL).lstrip("'\"`([<")
    if not token or _NOT_AN_ID.fullmatch(token):
        return None
    return token if ends or _LIKE_AN_ID.search(token) else None
