"""The table of routes. Endpoints parse, call and render; no decisions are taken in them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import BaseRoute, Route, Router

from functions.asgi.call import EVENT_STREAM, JSON, MARKDOWN
from functions.asgi.endpoint import Endpoint, Handler, no_such_route
from functions.multi_agent_chat.agent_routes import AgentRoutes
from functions.multi_agent_chat.conversation_routes import ConversationRoutes
from functions.multi_agent_chat.dependencies import Dependencies
from functions.multi_agent_chat.hook_routes import HookRoutes
from functions.multi_agent_chat.image_routes import ImageRoutes
from functions.multi_agent_chat.own_data_routes import OwnDataRoutes
from functions.multi_agent_chat.read_routes import ReadingRoutes
from functions.multi_agent_chat.stats_routes import StatsRoutes
from functions.multi_agent_chat.turn_routes import TurnRoutes

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
OFFERS = {  # all others: JSON
    "/": (JSON, EVENT_STREAM),
    "/conversations/{id}/messages": (JSON, MARKDOWN),
    "/conversations/{id}/stream": (EVENT_STREAM,),
    "/{id}/stream": (EVENT_STREAM,),
    "/images/{id}": IMAGES,
}


def router(deps: Dependencies) -> Router:
    turns, conversations, hooks = TurnRoutes(deps), ConversationRoutes(deps), HookRoutes(deps)
    agents, images = AgentRoutes(deps), ImageRoutes(deps)
    own_data, reading, stats = OwnDataRoutes(deps), ReadingRoutes(deps), StatsRoutes(deps)
    table: Mapping[str, Mapping[str, Handler]] = {
        "/": {"POST": turns.take_turn},
        "/{id}/stream": {"GET": turns.follow_chat},  # first: a chat's id may be the name of a route
        "/turns/{id}": {"GET": turns.get_turn, "PATCH": turns.edit_turn},
        "/turns/{id}/cancel": {"POST": turns.cancel_turn},
        "/turns/{id}/answers": {"POST": turns.answer_call},
        "/conversations": {"GET": conversations.list_conversations},
        "/conversations/{id}": {
            "GET": conversations.get_conversation,
            "PATCH": conversations.change_conversation,
            "DELETE": conversations.delete_conversation,
        },
        "/conversations/{id}/rotate": {"POST": conversations.rotate_conversation},
        "/conversations/{id}/messages": {"GET": conversations.list_messages},
        "/conversations/{id}/stream": {"GET": turns.follow_conversation},
        "/images/{id}": {"GET": images.get_image},
        "/me": {"DELETE": own_data.delete_all},
        "/me/export": {"GET": own_data.export},
        "/agents": {"GET": agents.list_agents, "POST": agents.create_agent},
        "/agents/{id}": {"PATCH": agents.change_agent, "DELETE": agents.delete_agent},
        "/stats": {"GET": stats.get_statistics},
        "/stats/turns": {"GET": stats.list_turns},
        "/stats/feedback": {"GET": stats.list_feedback},
        "/stats/turns/{id}": {"GET": stats.get_timeline},
        "/hooks/openai": {"POST": hooks.take_openai},
        "/openapi.json": {"GET": reading.get_document},
        "/health": {"GET": reading.get_health},
        "/healthz": {"GET": reading.get_health},  # which Google's front end answers by itself
    }
    endpoints = {path: Endpoint(path, handlers, OFFERS.get(path, (JSON,))) for path, handlers in table.items()}
    routes: list[BaseRoute] = [Route(path, endpoint) for path, endpoint in endpoints.items()]
    return Router(routes, redirect_slashes=False, default=no_such_route)
