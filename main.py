"""Where the Functions Framework looks when it is given the whole project as its source: two targets, one upload."""

from functions.maintenance.main import maintenance
from functions.multi_agent_chat.main import multi_agent_chat

__all__ = ["maintenance", "multi_agent_chat"]
