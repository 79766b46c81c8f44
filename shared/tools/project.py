"""What the seeded team works on: the title, script and scenes of the conversation's project."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.core.model import JsonObject
from shared.tools.registry import ToolContext, ToolFailed, tool

Title = Annotated[str, Field(max_length=200, description="The project's title.")]
Script = Annotated[str, Field(max_length=20_000, description="The whole script; it takes the place of the one before.")]
Scene = Annotated[str, Field(max_length=4_000)]
Scenes = Annotated[
    list[Scene],
    Field(max_length=50, description="All scenes described, in order; they take the place of those before."),
]


@tool(idempotent=True)
async def read_project(context: ToolContext) -> JsonObject:
    """Read this conversation's project: its title, script and scenes as saved last."""
    return await context.store.read_project(context.user_id, context.conversation_id)


@tool(idempotent=True)
async def write_project(
    context: ToolContext, title: Title | None = None, script: Script | None = None, scenes: Scenes | None = None
) -> JsonObject:
    """Save the title, the script or the scenes of this conversation's project. What is left out stays as it is."""
    given = {"title": title, "script": script, "scenes": scenes}
    fields = {name: value for name, value in given.items() if value is not None}
    if not fields:
        raise ToolFailed("Give at least one of title, script and scenes.", "invalid_arguments")
    saved = await context.store.write_project(context.user_id, context.conversation_id, fields)
    return {"saved": sorted(fields), "title": saved["title"]}
