"""What a route reads off its request: the emulator, and the page of a list that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import Request

from dev.emulator import errors
from dev.emulator.errors import Json
from dev.emulator.request_body import PAGE_LIMIT, T
from dev.emulator.state import Emulator

ACCEPTED = "emulator.accepted"


def emulator_of(request: Request) -> Emulator:
    emulator: Emulator = request.app.state.emulator
    return emulator


def mark_accepted(request: Request) -> None:
    accepted = request.scope.get(ACCEPTED)
    if accepted is not None:
        accepted.set()


def page(request: Request, objects: Sequence[T], to_json: Callable[[T], Json], *, order: str = "desc") -> Json:
    """One page of a list given in order of creation; `after` and `before` are ids, as the vendor documents."""
    rows = [to_json(each) for each in objects]
    query = request.query_params
    wanted = query.get("order", order)
    if wanted not in {"asc", "desc"}:
        raise errors.invalid_parameter("order", "expected 'asc' or 'desc'")
    if wanted == "desc":
        rows.reverse()
    ids = [row["id"] for row in rows]
    try:
        limit = int(query.get("limit", "20"))
        first = ids.index(query["after"]) + 1 if "after" in query else 0
        last = ids.index(query["before"]) if "before" in query else len(rows)
    except ValueError as error:
        raise errors.ApiError(
            "A page needs a whole number as limit, and ids of this list as after and before."
        ) from error
    if not 1 <= limit <= PAGE_LIMIT:
        raise errors.invalid_parameter("limit", f"expected a number from 1 to {PAGE_LIMIT}")
    window = rows[first:last]
    # Going back by `before` alone means the rows next to the cursor, not the first of the list.
    shown = window[-limit:] if "before" in query and "after" not in query else window[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(shown) < len(window),
    }
