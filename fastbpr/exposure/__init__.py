"""Co-exposure: items that look alike only because they shared a page. How to see it, and what to do about it."""

from fastbpr._debias import DEBIAS_PRESETS, Debias

__all__ = ["DEBIAS_PRESETS", "Debias"]
