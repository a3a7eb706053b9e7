import numpy as np
from numpy.typing import NDArray

TILE_ROWS: int

def top_k(
    queries: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    candidates: NDArray[np.int32],
    excluded_indptr: NDArray[np.int64],
    excluded: NDArray[np.int32],
    best_ids: NDArray[np.int32],
    best_scores: NDArray[np.float32],
    block: int,
    scratch: NDArray[np.float32],
    num_threads: int,
) -> None: ...
def score_block(
    queries: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    candidates: NDArray[np.int32],
    scores: NDArray[np.float32],
    scratch: NDArray[np.float32],
    num_threads: int,
) -> None: ...
def rank_targets(
    scores: NDArray[np.float32],
    excluded_indptr: NDArray[np.int64],
    excluded: NDArray[np.int32],
    target_indptr: NDArray[np.int64],
    targets: NDArray[np.int32],
    targets_compete: bool,
    n_ahead: NDArray[np.int64],
    num_threads: int,
) -> None: ...
