"""A local OpenAI-compatible server with the state rules of the real ones and a model that only says what it is.

It speaks two wires, Assistants v2 (threads and runs) and Responses with Conversations, over real sockets, keeps
everything in memory and forgets it at its end. A development tool: its answers are deterministic, not intelligent.
"""
