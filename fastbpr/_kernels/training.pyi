from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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

def train_stages(
    user_table: NDArray[np.float32],
    item_table: NDArray[np.float32],
    item_bias: bool,
    verify: bool,
    step: _Step,
    key: int,
    first_stage: int,
    last_stage: int,
    bucket_starts: NDArray[np.int64],
    bucket_users: NDArray[np.int32],
    bucket_places: NDArray[np.int32],
    bucket_weights: NDArray[np.float32],
    block_starts: NDArray[np.int64],
    block_items: NDArray[np.int32],
    stamps: NDArray[np.uint32],
    progress: NDArray[np.int64],
    losses: NDArray[np.float64],
    n_correct: NDArray[np.int64],
    n_updates: NDArray[np.int64],
) -> None: ...
def n_chunks_of(n_interactions: int) -> int: ...
def train_chunks(
    user_table: NDArray[np.float32],
    item_table: NDArray[np.float32],
    item_bias: bool,
    verify: bool,
    step: _Step,
    key: int,
    first_chunk: int,
    last_chunk: int,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    rows: NDArray[np.int32],
    weights: NDArray[np.float32],
    losses: NDArray[np.float64],
    n_correct: NDArray[np.int64],
    n_updates: NDArray[np.int64],
    num_threads: int,
) -> None: ...
def apply_triplets(
    user_table: NDArray[np.float32],
    item_table: NDArray[np.float32],
    item_bias: bool,
    step: _Step,
    triplets: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> tuple[float, int, int]: ...
def draw_negatives(
    seed: int,
    n_items: int,
    positives: NDArray[np.int32],
    negatives: NDArray[np.int32],
) -> None: ...
