"""The plots of `docs/images`, written as SVG by hand.

A plotting library would bring a dozen packages and tens of megabytes into every developer's environment for two kinds
of line: a step for each sample, and a line through measured points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path

from bench.figures import Figures

IMAGES = Path(__file__).parents[1] / "docs/images"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 64, 200, 40, 48
COLOURS = ("#2f6f4f", "#7aa95c", "#2d5d8b", "#c2703d", "#8c4a86")

Points = Sequence[tuple[float, float]]

HANDOFFS = {
    "one instance": "handoff_ms",
    "two instances": "handoff_two_instances_ms",
    "behind another program": "foreign_handoff_ms",
    "2 s polling": "polling_handoff_ms",
    "cancel, 2/4/8 s": "backoff_handoff_ms",
}


def write(figures: Figures) -> None:
    """Every plot whose figures were measured."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    if all(name in figures.samples for name in HANDOFFS.values()):
        lines = {title: _shares(figures.samples[name]) for title, name in HANDOFFS.items()}
        _save("handoffs", _plot("Handoffs: share done within", "ms", "% of handoffs", lines, logarithmic=True))
    at = {int(name.split("_")[2]): value for name, value in figures.items() if name.startswith("turn_at_")}
    if at:
        lines = {"median turn": sorted((float(many), value) for many, value in at.items())}
        _save("concurrency", _plot("Latency against concurrency", "conversations at once", "ms", lines))
    processes = {count: figures.get(f"turns_per_second_{count}p") for count in (1, 2, 4)}
    if None not in processes.values():
        lines = {
            "turns a second": [(float(count), float(value or 0)) for count, value in processes.items()],
            "processor ms a turn": [
                (float(count), figures[f"function_cpu_ms_per_turn_{count}p"]) for count in processes
            ],
        }
        _save("throughput", _plot("Throughput and processor time", "processes", "", lines))
    sizes = {int(name.split("_")[2]): value for name, value in figures.items() if name.startswith("turn_with_")}
    if sizes:
        spent = {size: figures[f"postgres_cpu_ms_per_turn_with_{size}"] for size in sizes}
        lines = {
            "median turn": sorted((float(size), value) for size, value in sizes.items()),
            "processor ms of Postgres": sorted((float(size), value) for size, value in spent.items()),
        }
        _save("size", _plot("A turn against the tables' size", "turns in the tables", "ms", lines, logarithmic=True))


def _shares(samples: Sequence[float]) -> Points:
    """What share of the samples is not above each of them."""
    ordered = sorted(max(value, 1.0) for value in samples)
    return [(value, 100 * (number + 1) / len(ordered)) for number, value in enumerate(ordered)]


def _plot(title: str, x: str, y: str, lines: Mapping[str, Points], *, logarithmic: bool = False) -> str:
    xs = [point[0] for points in lines.values() for point in points]
    top = max(point[1] for points in lines.values() for point in points)
    low, high = min(xs), max(xs)

    def across(value: float) -> float:
        share = _place(value, low, high, logarithmic=logarithmic)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def down(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 10}">{x}</text>',
        f'<text x="8" y="{TOP - 6}">{y}</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        height = down(top * share)
        parts.append(f'<path d="M{LEFT} {height}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{height + 4}" text-anchor="end">{top * share:.0f}</text>')
    parts += [
        f'<text x="{across(value)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>'
        for value in _ticks(low, high, logarithmic=logarithmic)
    ]
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = "L".join(f"{across(a)} {down(b)}" for a, b in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{across(a)}" cy="{down(b)}" r="2.5" fill="{colour}"/>' for a, b in points]
        height = TOP + 18 * number + 8
        parts.append(f'<text x="{WIDTH - RIGHT + 14}" y="{height}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _place(value: float, low: float, high: float, *, logarithmic: bool) -> float:
    """Where the value stands between the two, from 0 to 1."""
    if high <= low:
        return 0.5
    if logarithmic:
        return log(value / low) / log(high / low)
    return (value - low) / (high - low)


def _ticks(low: float, high: float, *, logarithmic: bool) -> list[float]:
    if logarithmic:
        tens = [10.0**power for power in range(8)]
        return [ten for ten in tens if low <= ten <= high] or [low, high]
    return [low, (low + high) / 2, high]


def _save(name: str, content: str) -> None:
    (IMAGES / f"{name}.svg").write_text(content)
