"""Numbers as sentences show them."""

from __future__ import annotations


def counted(noun: str, count: float) -> str:
    """Return a count with its noun: "1 user", "2 users"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Return a number >= 0 with as many digits as a reader can use."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def percent(share: float) -> str:
    """Return a share from 0 to 1 in per cent; only what is exactly all or nothing is called 100 or 0."""
    if 0 < share < 0.0095:
        return "less than 0.001 %" if share < 1e-5 else f"{100 * share:.1g} %"
    return f"{100 if share == 1 else min(round(100 * share), 99)} %"
