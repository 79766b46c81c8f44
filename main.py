"""Where the Functions Framework looks when it is given the whole project as its source."""

from functions.multi_agent_chat.main import multi_agent_chat

__all__ = ["multi_agent_chat"]
