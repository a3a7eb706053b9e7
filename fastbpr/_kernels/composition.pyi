import numpy as np

def compose(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    features: np.ndarray,
    own: np.ndarray,
    hidden: np.ndarray,
    rows: np.ndarray,
    composed: np.ndarray,
    width: int,
    bias: int,
    num_threads: int,
) -> None: ...
def hand_on(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    rates: np.ndarray,
    own_rates: np.ndarray,
    hidden: np.ndarray,
    rows: np.ndarray,
    composed: np.ndarray,
    features: np.ndarray,
    own: np.ndarray,
    sums: np.ndarray,
    width: int,
    bias: int,
) -> None: ...
