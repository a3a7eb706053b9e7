import numpy as np

MAX_ITEMS: int

def room_for(n_items: int, n_places: int, width: int) -> int: ...
def fold_in_users(
    indptr: np.ndarray,
    indices: np.ndarray,
    item_factors: np.ndarray,
    item_biases: np.ndarray,
    sampled: np.ndarray,
    places: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    biases: np.ndarray,
    mean: np.ndarray,
    spread: np.ndarray,
    basis: np.ndarray,
    n_first: int,
    draws: float,
    regularization: float,
    near: float,
    room: np.ndarray,
    vectors: np.ndarray,
    n_steps: np.ndarray,
) -> None: ...
