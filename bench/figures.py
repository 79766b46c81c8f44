"""What was measured: figures by name, and the samples that some of them are the medians of."""

from __future__ import annotations

import statistics
from collections import defaultdict


class Figures(dict[str, float]):
    """A name that ends in `_ms` is in milliseconds; what is sampled under it is given in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: dict[str, list[float]] = defaultdict(list)

    def sample(self, name: str, seconds: float) -> None:
        """One more; the figure is the median of all."""
        self.samples[name].append(round(seconds * 1000, 1))
        self[name] = round(statistics.median(self.samples[name]), 1)

    def take(self, other: Figures) -> None:
        self.update(other)
        for name, values in other.samples.items():
            self.samples[name] += values

    def show(self) -> None:
        for name, value in self.items():
            print(f"{name:<42}{value:>12}")
