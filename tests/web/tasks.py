"""How long a page keeps its browser busy, beside a piece of work of which it is known how long it takes."""

from __future__ import annotations

from playwright.sync_api import Page

REFERENCE_MS = """(() => {
  const from = performance.now();
  let sum = 0;
  for (let number = 0; number < 3e6; number += 1) sum += Math.sqrt(number);
  return sum > 0 ? performance.now() - from : 0;
})()"""

OBSERVE = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ entryTypes: ["longtask"] });
}"""


def slowest_reference(page: Page) -> float:
    """How long a piece of work takes that is done in five milliseconds on a machine with nothing else to do."""
    milliseconds: float = max(page.evaluate(REFERENCE_MS) for _ in range(10))
    return milliseconds


def longest(page: Page) -> float:
    milliseconds: float = page.evaluate("Math.max(0, ...tasks.splice(0))")
    return milliseconds
