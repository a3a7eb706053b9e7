from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastbpr._negatives import Negatives
from fastbpr._tables import Tables

class _Step(Protocol):
    @property
    def learning_rate(self) -> float: ...
    @property
    def reg_user(self) -> float: ...
    @property
    def reg_positive(self) -> float: ...
    @property
    def reg_negative(self) -> float: ...
    @property
    def reg_bias(self) -> float: ...

GROUP_SIZE: int
MAX_NEGATIVES: int
MAX_CANDIDATES: int
MAX_POSITIVES: int
SLOTS: int

def train_stages(
    tables: Tables,
    negatives: Negatives,
    step: _Step,
    key: int,
    first_stage: int,
    last_stage: int,
    bucket_starts: NDArray[np.int64],
    bucket_users: NDArray[np.int32],
    bucket_places: NDArray[np.int32],
    bucket_weights: NDArray[np.float32],
    bucket_contexts: NDArray[np.int32],
    block_starts: NDArray[np.int64],
    block_items: NDArray[np.int32],
    stamps: NDArray[np.uint32],
    rows: NDArray[np.float32],
    waiting: NDArray[np.int64],
    counts: NDArray[np.int64],
    progress: NDArray[np.int64],
    losses: NDArray[np.float64],
    n_correct: NDArray[np.int64],
    n_updates: NDArray[np.int64],
) -> None: ...
def n_chunks_of(n_interactions: int) -> int: ...
def train_chunks(
    tables: Tables,
    negatives: Negatives,
    step: _Step,
    key: int,
    first_chunk: int,
    last_chunk: int,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    rows: NDArray[np.int32],
    weights: NDArray[np.float32],
    occurrence_starts: NDArray[np.int64],
    occurrence_contexts: NDArray[np.int32],
    losses: NDArray[np.float64],
    n_correct: NDArray[np.int64],
    n_updates: NDArray[np.int64],
    rows_of_threads: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None: ...
def apply_triplets(
    tables: Tables,
    step: _Step,
    triplets: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> tuple[float, int, int]: ...
def make_steps(
    tables: Tables,
    negatives: Negatives,
    step: _Step,
    seed: int,
    interactions: NDArray[np.int32],
    weights: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
) -> tuple[float, int, int]: ...
def apply_steps(
    tables: Tables,
    negatives: Negatives,
    step: _Step,
    steps: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> tuple[float, int, int]: ...
def apply_signed(
    tables: Tables, negatives: Negatives, step: _Step, interactions: NDArray[np.int32], weights: NDArray[np.float32]
) -> tuple[float, int, int]: ...
def apply_tetrads(
    tables: Tables, negatives: Negatives, step: _Step, tetrads: NDArray[np.int32], weights: NDArray[np.float32]
) -> tuple[float, int, int]: ...
def draw_negatives(
    negatives: Negatives,
    seed: int,
    n_items: int,
    user: NDArray[np.float32],
    positives: NDArray[np.int32],
    draws: NDArray[np.int32],
) -> None: ...
