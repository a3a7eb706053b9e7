"""Labels that are strings, or None, as arrays of numbers, and back.

The text is UTF-8, all labels end to end; an end is where a label ends in it, or -1 - the end for a None. Lone
surrogates, which Python's strings may have, are encoded like other characters.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastbpr import _validation

ENCODING = ("utf-8", "surrogatepass")


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
        text = "".join(texts).encode(*ENCODING)
        parts = texts if text.isascii() else [part.encode(*ENCODING) for part in texts]
        ends = np.cumsum(np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)))
        return cls(np.frombuffer(text, dtype=np.uint8), np.where(missing, -1 - ends, ends))

    def decoded(self) -> np.ndarray:
        """Return the labels as an array of objects; raise ValueError if they are damaged."""
        ends = np.where(self.ends < 0, -1 - self.ends, self.ends)
        whole = np.diff(ends, prepend=0).min(initial=0) >= 0 and (ends[-1] if len(ends) else 0) == len(self.text)
        _validation.check_ends(whole)
        text = self.text.tobytes()
        limits = pairwise([0, *ends.tolist()])
        labels = np.empty(len(ends), dtype=object)
        if text.isascii():  # slices of a string take less time than strings of slices
            whole_text = text.decode("ascii")
            labels[:] = [whole_text[start:end] for start, end in limits]
        else:
            labels[:] = [text[start:end].decode(*ENCODING) for start, end in limits]
        labels[self.ends < 0] = None
        return labels
