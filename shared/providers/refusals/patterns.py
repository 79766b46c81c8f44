"""The words that the refusals of different servers share, as pieces of patterns."""

from __future__ import annotations

import re

THREAD = r"(?:the |this |your )?(?:thread|conversation|session)"
ID = r"(?:(?: with)? ids?)?(?: ?[:=#])? ?[(\[<]?(?:[^\s()\[\]<>]{1,4000})[)\]>]?"
RUNNING = r"(?:active|running|ongoing|pending|unfinished|in[- ]progress)"
RUN = r"(?:run|response|task|request|generation)"
STILL = r"(?:already|currently|still|now)"
ONE = r"(?:an? |another |one |the |\d+ )?(?:other )?"

# A sentence about a value is about the request, not about the thread.
ABOUT_VALUE = r"invalid|values?|expected|got|received|field|string|pars(?:e|ing)|validation|moderation|flagged|policy"

STOP = re.compile(r"[\u3002\uff0c\uff1b\uff1a\uff01\uff1f\u3001\u2026]")
"""Marks that end a sentence in scripts that put no space behind them."""
TAIL = ".,;:!?'\"`)]}>"
"""What may stand behind an id without belonging to it."""
