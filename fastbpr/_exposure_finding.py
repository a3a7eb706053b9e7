"""What a diagnosis finds about contexts: whether neighbours are alike, or just shared a page."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastbpr._sentences import counted, percent
from fastbpr.bpr import BPR
from fastbpr.exposure import co_exposure, concentration


class Exposure(NamedTuple):
    """How many neighbours share a context that counts (of a strength above 0, with several users) but little else."""

    n_contexts: int  # that the log has
    n_shared: int  # of these, with two users or more
    share_in_shared: float  # of the rows, that are in these
    largest_share: float  # of the rows in contexts, that are in the largest
    n_items: int  # that are in a context that counts
    list_length: int
    ceo: float  # share of their neighbours that share a context but little else
    chance: float  # of random items
    excess: float  # ceo - chance
    debias: str | None  # what the model has been fitted with against it

    def sentences(self) -> list[str]:
        """Say it."""
        told = [
            f"{percent(self.share_in_shared)} of the rows are in contexts (pages, sessions, baskets) that several "
            f"users share: {self.n_shared:,} of {counted('context', self.n_contexts)}."
        ]
        if not self.n_shared:
            return told
        if not self.n_items:
            return [*told, "None of them has a strength above 0, so no neighbour is suspected."]
        told.append(
            f"Of the {counted('neighbour', self.list_length)} of an item that was on one of them, "
            f"{percent(self.ceo)} share a context with it and little else; of random items {percent(self.chance)} do."
        )
        return told


def exposure_of(model: BPR, interactions: Any, list_length: int, seed: int, num_threads: int) -> Exposure | None:
    """Look into the contexts of a log; None without any."""
    if getattr(interactions, "contexts", None) is None:
        return None
    spread = concentration(interactions)
    found = co_exposure(model, interactions, list_length, random_state=seed, num_threads=num_threads)
    debias = getattr(model, "debias", None)
    return Exposure(
        n_contexts=spread.n_contexts,
        n_shared=spread.n_shared,
        share_in_shared=spread.share_in_shared,
        largest_share=spread.largest_share,
        n_items=found.n_items,
        list_length=list_length,
        ceo=found.ceo,
        chance=found.chance,
        excess=found.excess,
        debias=debias if debias is None or isinstance(debias, str) else str(debias),
    )
