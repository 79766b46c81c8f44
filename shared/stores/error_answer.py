"""What the Data API answers instead of a result: Postgres' SQLSTATE, a code of PostgREST's own, or the bare status."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from shared.core.errors import StoreFault

# The schema cache, or the database itself, knows no such function: a migration that is not applied, or one so new that
# the cache has not been read again.
_FUNCTION_MISSING = re.compile(r"PGRST(?:106|125|202|203)|42883|42P01")
# A key that is none, belongs to another project, or is of a role that may not call our functions.
_KEY_REFUSED = re.compile(r"PGRST30[0-3]|42501|28[0-9A-Z]{3}")
# Hosted projects make a token out of a key of the new form. Where two clocks of theirs differ, it is not valid yet.
_CLOCKS_DIFFER = "PGRST303"
# These say no whenever asked.
_DEFINITE = re.compile(r"(?:28|42)[0-9A-Z]{3}|PGRST[123]\d\d")
_DEFINITE_STATUS = re.compile(r"4(?!08|29)\d\d")
# And these say that what we asked cannot be: bad arguments, broken constraints, our triggers.
_OUR_FAULT = re.compile(r"(?:22|23|55)[0-9A-Z]{3}|P0001")


@dataclass(frozen=True)
class ErrorAnswer:
    """`code` is None where the body names none: then the gateway answered, not PostgREST."""

    status: int
    code: str | None

    @classmethod
    def of(cls, response: httpx.Response) -> ErrorAnswer:
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        code = body.get("code") if isinstance(body, dict) else None
        return cls(response.status_code, code if isinstance(code, str) else None)

    @property
    def is_our_fault(self) -> bool:
        return self.code is not None and bool(_OUR_FAULT.fullmatch(self.code))

    @property
    def is_definite(self) -> bool:
        """Whether asking again is of no use."""
        if self.code is None:
            return bool(_DEFINITE_STATUS.fullmatch(str(self.status)))
        return self.code != _CLOCKS_DIFFER and bool(_DEFINITE.fullmatch(self.code))

    @property
    def fault(self) -> StoreFault:
        if self.code is None:
            return StoreFault.KEY_REFUSED if self.status in (401, 403) else StoreFault.DATABASE_AWAY
        if _FUNCTION_MISSING.fullmatch(self.code):
            return StoreFault.FUNCTION_MISSING
        return StoreFault.KEY_REFUSED if _KEY_REFUSED.fullmatch(self.code) else StoreFault.DATABASE_AWAY
