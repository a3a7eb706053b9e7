import numpy as np
from numpy.typing import NDArray

def partition_items(
    key: int,
    block_starts: NDArray[np.int64],
    block_of_item: NDArray[np.uint16],
    place_of_item: NDArray[np.int32],
    block_items: NDArray[np.int32],
) -> None: ...
def bucket_interactions(
    key: int,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    user_starts: NDArray[np.int64],
    block_of_item: NDArray[np.uint16],
    place_of_item: NDArray[np.int32],
    user_order: NDArray[np.int32],
    bucket_starts: NDArray[np.int64],
    cursors: NDArray[np.int64],
    progress: NDArray[np.int64],
    bucket_users: NDArray[np.int32],
    bucket_places: NDArray[np.int32],
    bucket_weights: NDArray[np.float32],
    occurrence_starts: NDArray[np.int64],
    occurrence_contexts: NDArray[np.int32],
    bucket_contexts: NDArray[np.int32],
    num_threads: int,
) -> None: ...
def group_contexts(
    visible_starts: NDArray[np.int64],
    visible_items: NDArray[np.int32],
    block_of_item: NDArray[np.uint16],
    place_of_item: NDArray[np.int32],
    n_blocks: int,
    group_starts: NDArray[np.int64],
    group_places: NDArray[np.int32],
    num_threads: int,
) -> None: ...
def alias_tables(
    weights: NDArray[np.float64],
    block_starts: NDArray[np.int64],
    block_items: NDArray[np.int32],
    shares: NDArray[np.uint32],
    aliases: NDArray[np.int32],
    num_threads: int,
) -> None: ...
def divide_orders(
    orders: NDArray[np.int32],
    block_starts: NDArray[np.int64],
    block_of_item: NDArray[np.uint16],
    place_of_item: NDArray[np.int32],
    divided: NDArray[np.int32],
    num_threads: int,
) -> None: ...
