import numpy as np
from numpy.typing import NDArray

TILE_ROWS: int
PANEL_ROWS: int
PAIRS_TOGETHER: int

def top_k_of_few(
    queries: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    candidates: NDArray[np.int32],
    excluded_indptr: NDArray[np.int64],
    excluded: NDArray[np.int32],
    best_ids: NDArray[np.int32],
    best_scores: NDArray[np.float32],
    num_threads: int,
) -> None: ...
def least_scores(
    pilots: NDArray[np.int32],
    pilots_of: NDArray[np.int32],
    queries: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    excluded_indptr: NDArray[np.int64],
    excluded: NDArray[np.int32],
    best_ids: NDArray[np.int32],
    best_scores: NDArray[np.float32],
    floors: NDArray[np.float32],
    num_threads: int,
) -> None: ...
def top_k_of_many(
    tiles: NDArray[np.float32],
    panels: NDArray[np.float32],
    slack: NDArray[np.float32],
    floors: NDArray[np.float32],
    queries: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    candidates: NDArray[np.int32],
    excluded_indptr: NDArray[np.int64],
    excluded: NDArray[np.int32],
    best_ids: NDArray[np.int32],
    best_scores: NDArray[np.float32],
    waiting: NDArray[np.int32],
    block: int,
    num_threads: int,
) -> None: ...
def pack(
    table: NDArray[np.float32],
    ids: NDArray[np.int32],
    packed: NDArray[np.float32],
    num_threads: int,
) -> None: ...
def score_pairs(
    queries: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    indptr: NDArray[np.int64],
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    num_threads: int,
) -> None: ...
def score_block(
    tiles: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    catalogue: NDArray[np.int32],
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
def rank_by_factors(
    tiles: NDArray[np.float32],
    panels: NDArray[np.float32],
    table: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    catalogue: NDArray[np.int32],
    excluded_indptr: NDArray[np.int64],
    excluded: NDArray[np.int32],
    target_indptr: NDArray[np.int64],
    targets: NDArray[np.int32],
    targets_compete: bool,
    n_ahead: NDArray[np.int64],
    scratch: NDArray[np.float32],
    num_threads: int,
) -> None: ...
