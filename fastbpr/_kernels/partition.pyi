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
    num_threads: int,
) -> None: ...
