"""`python -m tests.soak --messages 300`: prints the figures; the status is 1 where a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.soak.soak import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--wire", choices=["responses", "assistants"], default="responses")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = asyncio.run(soak(options.messages, seconds=options.seconds, wire=options.wire, seed=options.seed))
    print(result, f"  {'violations':<38}{len(result.violations)}", sep="\n")  # noqa: T201
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
