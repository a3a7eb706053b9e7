"""Labels that are strings, or None, as arrays of numbers, and back.

The text is UTF-8, all labels end to end; an end is where a label ends in it, or -1 - the end for a None. Lone
surrogates, which Python's strings may have, are encoded like other characters.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastbpr import _validation


class TextLabels(NamedTuple):
    """Labels as a file has them."""

    text: np.ndarray  # uint8
    ends: np.ndarray  # int64 (n_labels,)

    @classmethod
    def of(cls, name: str, labels: np.ndarray) -> TextLabels:
        """Encode an array of str or None."""
        texts = _validation.check_text_labels(name, labels)
        missing = np.fromiter((text is None for text in texts), dtype=bool, count=len(texts))
        if missing.any():
            texts = ["" if text is None else text for text in texts]
        joined = "".join(texts)
        ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
        text = np.frombuffer(joined.encode(errors="surrogatepass"), dtype=np.uint8)
        if not joined.isascii():  # from characters to bytes
            ends = np.append(np.flatnonzero(starts_character(text)), len(text))[ends]
        return cls(text, np.where(missing, -1 - ends, ends))

    def decoded(self) -> np.ndarray:
        """Return the labels as an array of objects; raise ValueError if they are damaged."""
        ends = np.where(self.ends < 0, -1 - self.ends, self.ends)
        whole = np.diff(ends, prepend=0).min(initial=0) >= 0 and (ends[-1] if len(ends) else 0) == len(self.text)
        _validation.check_ends(whole)
        joined = self.text.tobytes().decode(errors="surrogatepass")
        if len(joined) != len(self.text):  # from bytes to characters
            starts = starts_character(self.text)
            _validation.check_ends(bool(np.append(starts, True)[ends].all()))
            ends = np.append(0, np.cumsum(starts))[ends]
        labels = np.empty(len(ends), dtype=object)
        labels[:] = [joined[start:end] for start, end in pairwise([0, *ends.tolist()])]
        labels[self.ends < 0] = None
        return labels


def starts_character(text: np.ndarray) -> np.ndarray:
    """Return which bytes of UTF-8 are the first of a character."""
    return (text & 0xC0) != 0x80
