"""A model's words as Markdown; and words that were made to break it."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, expect

from tests.web.canned import Canned
from tests.web.person import Person

pytestmark = pytest.mark.timeout(120)

SHOWN_SECONDS = 4.0  # reload, sign-in and all

EVERYTHING = r"""# A title

first line
second line

## A smaller one

- [x] done
- [ ] open

A fact[^note].

| name | what | where | when | why | and the whole of it |
|---|---|---|---|---|---|
| unbreakable_identifier | words | unbreakable_place_of_it | words | words | words that go on and on |

```python
def hello(name: str) -> str:
    return f"hello {name}"
```

Euler: $$e^{i\pi} + 1 = 0$$ and \(a^2\), for $5 and $6.

\[
\frac{1}{2}
\]

שלום עולם

[^note]: Where it comes from.
"""


def answer(one: Person, text: str) -> Locator:
    """The answer `text` as the page shows it."""
    Canned.of("show me", text).serve(one.page)
    one.page.reload()
    expect(one.messages.locator(".reply")).to_be_visible()
    return one.messages.locator(".reply .words")


def test_everything_that_markdown_has(reader: Person) -> None:
    one = reader
    reply = answer(one, EVERYTHING)
    expect(reply.locator("br")).to_have_count(1)
    sizes = [px(reply.get_by_role("heading", name=name)) for name in ("A title", "A smaller one")]
    assert sizes[0] > sizes[1] > px(reply.locator("p").first)
    checks = reply.get_by_role("checkbox")
    assert [check.is_checked() for check in checks.all()] == [True, False]
    expect(reply.get_by_role("link", name="1", exact=True)).to_be_visible()
    expect(reply.get_by_text("Where it comes from.")).to_be_visible()
    expect(reply.locator("math")).to_have_count(3)
    expect(reply).to_contain_text("for $5 and $6")
    expect(reply.get_by_text("שלום עולם")).to_have_attribute("dir", "auto")


def px(locator: Locator) -> float:
    size: float = locator.evaluate("(one) => parseFloat(getComputedStyle(one).fontSize)")
    return size


def test_a_footnote_is_gone_to_and_the_conversation_stays(reader: Person) -> None:
    one = reader
    conversation = one.conversation
    reply = answer(one, EVERYTHING)
    reply.get_by_role("link", name="1", exact=True).click()
    expect(reply.locator(".footnotes li")).to_be_focused()
    assert one.conversation == conversation


def test_a_wide_table_scrolls_and_breaks_no_word(reader: Person) -> None:
    one = reader
    one.page.set_viewport_size({"width": 390, "height": 800})
    reply = answer(one, EVERYTHING)
    table = reply.get_by_role("group", name="Table")
    assert table.evaluate("(one) => one.scrollWidth > one.clientWidth")
    line = reply.locator("p").first.evaluate("(one) => parseFloat(getComputedStyle(one).lineHeight)")
    cell = reply.get_by_role("cell", name="unbreakable_identifier").bounding_box()
    assert cell
    assert cell["width"] > 150  # the word is on one line
    assert line > 0
    wide = one.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide


def test_code_has_its_language_its_colours_and_a_copy_button(reader: Person) -> None:
    one = reader
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply = answer(one, EVERYTHING)
    code = reply.get_by_role("figure")
    expect(code.locator("figcaption")).to_contain_text("python")
    expect(code.locator(".hljs-keyword").first).to_have_text("def")
    code.get_by_role("button", name="Copy code").click()
    expect(code.get_by_role("button", name="Copy code")).to_have_text("Copied")
    assert one.page.evaluate("navigator.clipboard.readText()").startswith("def hello(name: str) -> str:\n    return")


HOSTILE = {
    "quotes in quotes": ">" * 3000 + " deep",
    "emphasis in emphasis": "*a " * 3000 + "deep" + " b*" * 3000,
    "links that never end": "[a](b" * 12_000 + " deep",
    "lists in lists": "\n".join("  " * depth + "- deep" for depth in range(300)),
    "one list item in another": "- " * 2000 + "deep",
    "formulas that expand": r"$$\def\a{\b\b}\def\b{\c\c}\def\c{\a\a}\a$$ deep",
    "brackets": "![[" * 20_000 + " deep",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_answer_empties_or_stops_the_page(reader: Person, text: str) -> None:
    one = reader
    began = time.monotonic()
    reply = answer(one, text)
    expect(reply.get_by_text(re.compile("deep")).first).to_be_attached()
    took = time.monotonic() - began
    one.box.fill("still here")
    expect(one.page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    assert took < SHOWN_SECONDS
