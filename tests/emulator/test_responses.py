"""The Responses wire through the vendor's own client."""

from openai import AsyncOpenAI

MODEL = "emulated-model"


async def test_a_foreground_response_answers_when_it_is_over(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=MODEL, input="hello")
    assert response.status == "completed"
    assert response.output_text == "Emulated reply 1 to: hello"
