"""The transcript as Markdown. What people and agents said is Markdown already and stands as it is."""

from __future__ import annotations

from shared.core.model import Message


def heading(title: str) -> str:
    return f"# {title}\n"


def line(message: Message) -> str:
    """Who said it and when, then the text. An agent that hands over says to which one."""
    said_at = f"{message.created_at[:10]} {message.created_at[11:16]} UTC"
    notes = [said_at]
    if message.partial:
        notes.append("cut off")
    if message.handoff_to is not None:
        notes.append(f"handed over to {message.handoff_to}")
    text = f"\n{message.text}\n" if message.text else ""
    for image in message.images:
        text += f"\n*(an image: {image.description or image.image_id})*\n"
    return f"\n**{message.agent or 'You'}** ({', '.join(notes)})\n{text}"
