"""What Python decides about steps and negatives (`_negatives.Negatives`), as the kernels want it."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from fastbpr._kernels.losses cimport warp_pull
from fastbpr._kernels.negatives cimport Pool
from fastbpr._kernels.recipes cimport Recipe

cdef struct Sources:
    # Where an epoch's negatives come from; `Pool` is the part of a block. NULL is what the recipe has no use for.
    bint verify               # whether a user's positives are no negatives
    bint is_plain             # one negative whatever the factors are, BPR, SGD: by batches
    const uint32_t* shares    # (n_items,)  alias tables of the blocks
    const int32_t* aliases
    const int32_t* orders     # blocks of (n_orders, n_places)
    const float* spreads      # (n_orders,)
    Py_ssize_t n_orders
    float rank_share          # mean rank in an order, as a share of its length
    const int64_t* given_starts  # blocked: (n_blocks, n_blocks + 1) as of the positives; hogwild: (n_users + 1,)
    const int32_t* given_users   # blocked: (n_given,)
    const int32_t* given_places  # (n_given,)
    const int32_t* user_ranks    # blocked: (n_users,)  where a user comes in the order of the user block
    const float* given_rates     # (n_users,)  how often one of the user's given negatives is taken


cdef inline Recipe recipe_of(object negatives, Py_ssize_t n_items) except *:
    """How steps are made, from a `_negatives.Negatives`."""
    cdef Recipe recipe
    cdef Py_ssize_t k
    cdef const float[::1] corrections = negatives.corrections
    recipe.loss = negatives.loss
    recipe.n_negatives = negatives.n_negatives
    recipe.n_candidates = negatives.n_candidates
    recipe.n_positives = negatives.n_positives
    recipe.positive_rank = negatives.positive_rank
    recipe.optimizer.kind = negatives.optimizer
    recipe.optimizer.rho = negatives.rho
    recipe.optimizer.epsilon = negatives.epsilon
    recipe.optimizer.n_factors = negatives.n_factors
    for k in range(recipe.n_negatives):
        recipe.pulls[k] = warp_pull(n_items, k + 1)
    recipe.corrections = &corrections[0] if corrections.shape[0] else NULL
    return recipe


cdef inline Sources sources_of(object negatives) except *:
    """The arrays of a `_negatives.Negatives` as plain pointers; the caller keeps them alive."""
    cdef:
        Sources sources
        const uint32_t[::1] shares = negatives.shares
        const int32_t[::1] aliases = negatives.aliases
        const int32_t[::1] orders = negatives.orders
        const float[::1] spreads = negatives.spreads
        const int64_t[::1] given_starts = negatives.given_starts
        const int32_t[::1] given_users = negatives.given_users
        const int32_t[::1] given_places = negatives.given_places
        const int32_t[::1] user_ranks = negatives.user_ranks
        const float[::1] given_rates = negatives.given_rates
    sources.verify = negatives.verify
    sources.is_plain = negatives.is_plain
    sources.shares = &shares[0] if shares.shape[0] else NULL
    sources.aliases = &aliases[0] if aliases.shape[0] else NULL
    sources.orders = &orders[0] if orders.shape[0] else NULL
    sources.spreads = &spreads[0] if spreads.shape[0] else NULL
    sources.n_orders = spreads.shape[0]
    sources.rank_share = negatives.rank_share
    sources.given_starts = &given_starts[0] if given_starts.shape[0] else NULL
    sources.given_users = &given_users[0] if given_users.shape[0] else NULL
    sources.given_places = &given_places[0] if given_places.shape[0] else NULL
    sources.user_ranks = &user_ranks[0] if user_ranks.shape[0] else NULL
    sources.given_rates = &given_rates[0] if given_rates.shape[0] else NULL
    return sources


cdef inline void take_given(Pool* pool, const Sources* sources, Py_ssize_t user) noexcept nogil:
    """Hogwild: point the pool at what the user is known not to want."""
    if sources.given_starts != NULL:
        pool.given = sources.given_places + sources.given_starts[user]
        pool.n_given = sources.given_starts[user + 1] - sources.given_starts[user]
        pool.given_rate = sources.given_rates[user]


cdef inline Pool pool_of(const Sources* sources, int64_t first_item, Py_ssize_t n_places,
                         const int32_t* items) noexcept nogil:
    """The part of the sources that belongs to one item block."""
    cdef Pool pool
    pool.n_places = n_places
    pool.items = items
    pool.shares = sources.shares + first_item if sources.shares != NULL else NULL
    pool.aliases = sources.aliases + first_item if sources.shares != NULL else NULL
    pool.orders = sources.orders + first_item * sources.n_orders if sources.orders != NULL else NULL
    pool.spreads = sources.spreads
    pool.n_orders = sources.n_orders
    pool.mean_rank = sources.rank_share * <float>n_places
    pool.given = NULL
    pool.n_given = 0
    pool.given_rate = 0
    pool.own = NULL
    pool.own_weights = NULL
    pool.n_own = 0
    pool.in_context = NULL
    pool.n_in_context = 0
    pool.n_visible = 0
    pool.liked = NULL
    pool.n_liked = 0
    pool.context_rate = 0
    pool.context_weight = 1
    pool.offset_items = NULL
    pool.offsets = NULL
    pool.n_offsets = 0
    pool.other_offset = 0
    return pool
