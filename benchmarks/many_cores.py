"""What the blocked schedule would do on many cores: a simulation with the buckets of real epochs; a Markdown table.

    python benchmarks/many_cores.py --size large

Threads take buckets as `train_share` in the training kernel does. A bucket takes a time for each update, which is
measured on one core, and a time for each cache line that its core must get from another one: rows of an item block
that another thread had last, rows of a user block that was taken from its owner. Memory bandwidth, clock rates that
fall with the number of busy cores, and memory that belongs to another socket are left out, so the table shows what the
schedule allows, not what a machine gives.
"""

import argparse
import heapq
from collections import deque

import numpy as np
from answer import markdown
from power_law import SIZES, power_law

from fastbpr import _schedules, _tables
from fastbpr._negatives import Recipe

FACTORS = 64
NS_PER_UPDATE = 18.0  # of one thread alone, see README.md
NS_PER_LINE = 15.0  # from another core's cache; several are on their way at once
NS_PER_BUCKET = 200.0  # to take it, and for its last windows, which are not full
LINES_PER_ITEM, LINES_PER_USER = FACTORS // 16 + 1, FACTORS // 16


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="large")
    parser.add_argument("--blocks", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 8, 16, 32, 64, 128])
    arguments = parser.parse_args()
    matrix = power_law(*SIZES[arguments.size])
    rows = []
    for n_blocks in arguments.blocks:
        sizes, n_users, n_items = buckets_of(matrix, n_blocks)
        for n_threads in arguments.threads:
            seconds, idle, lines = simulated(sizes, n_users, n_items, n_threads)
            alone = simulated(sizes, n_users, n_items, 1)[0]
            rows.append([
                n_blocks, n_threads, f"{alone / seconds:.1f}", f"{100 * idle:.0f} %", f"{lines / matrix.nnz:.2f}",
                f"{hogwild_lines(n_threads):.2f}",
            ])  # fmt: skip
    columns = [
        "blocks", "threads", "speed-up", "idle", "lines from other cores per update", "the same, hogwild",
    ]  # fmt: skip
    print(f"{arguments.size}, {matrix.nnz:,} interactions, {FACTORS} factors\n\n{markdown(columns, rows)}")


def buckets_of(matrix, n_blocks):
    """Return (interactions of each bucket, users and items of each block) of one epoch."""
    chosen = _schedules.number_of_blocks
    _schedules.number_of_blocks = lambda *_: n_blocks
    try:
        factors = [np.zeros((n, 1), dtype=np.float32) for n in matrix.shape]
        tables = _tables.pack(*factors, None)
        epoch = _schedules.BlockedSchedule(_schedules.Positives.of(matrix, None), tables, Recipe(), 1)
        for _ in epoch.run_epoch(tables, _schedules.Step(0, 0, 0, 0, 0), key=1):
            pass
    finally:
        _schedules.number_of_blocks = chosen
    return np.diff(epoch.bucket_starts, axis=1), np.diff(epoch.user_starts), np.diff(epoch.block_starts)


def simulated(sizes, n_users, n_items, n_threads):
    """Return (seconds of an epoch, share of the threads' time in which they wait, lines that change core)."""
    n_blocks = len(sizes)
    owner = np.repeat(np.arange(n_threads), np.diff(np.arange(n_threads + 1) * n_blocks // n_threads))
    user_holder, item_holder = owner.copy(), owner.copy()
    n_done = np.zeros(n_blocks, dtype=int)
    ready = [deque() for _ in range(n_threads)]  # blocks whose next stage can begin, by owner
    for block in range(n_blocks):
        ready[owner[block]].append(block)
    waiting = dict.fromkeys(range(n_threads), 0.0)  # since when
    patience = NS_PER_UPDATE * sizes.mean()  # before another thread's bucket is taken
    events = []  # (time, thread, block that is done then; or None, where patience ends)
    now, busy, lines = 0.0, 0.0, 0

    def begin(thread):
        nonlocal busy, lines
        own = ready[thread]
        if not own and now >= waiting[thread] + patience:
            others = (ready[(thread + k) % n_threads] for k in range(1, n_threads))
            own = next((blocks for blocks in others if blocks), own)
        if not own:
            return False
        block = own.popleft()
        item_block = (block + n_done[block]) % n_blocks
        moved = LINES_PER_ITEM * n_items[item_block] * (item_holder[item_block] != thread)
        moved += LINES_PER_USER * n_users[block] * (user_holder[block] != thread)
        item_holder[item_block] = user_holder[block] = thread
        duration = NS_PER_BUCKET + NS_PER_UPDATE * sizes[block, item_block] + NS_PER_LINE * moved
        busy, lines = busy + duration, lines + moved
        heapq.heappush(events, (now + duration, thread, block))
        return True

    def can_begin(block):
        stage = n_done[block]
        return stage < n_blocks and n_done[(block + 1) % n_blocks] >= stage

    while (n_done < n_blocks).any():
        waiting = {thread: since for thread, since in waiting.items() if not begin(thread)}
        now, thread, block = heapq.heappop(events)
        if block is None:
            continue
        n_done[block] += 1
        if can_begin(block):
            ready[owner[block]].append(block)
        before = (block - 1) % n_blocks  # waits for this block's item block
        if n_blocks > 1 and n_done[before] == n_done[block] and can_begin(before):
            ready[owner[before]].append(before)
        waiting[thread] = now
        heapq.heappush(events, (now + patience, thread, None))
    assert (n_done == n_blocks).all()
    return now * 1e-9, 1 - busy / (now * n_threads), lines


def hogwild_lines(n_threads):
    """Expected lines per update that another thread wrote last, if all threads are as likely to have done so."""
    return (LINES_PER_USER + 2 * LINES_PER_ITEM) * (1 - 1 / n_threads)


if __name__ == "__main__":
    main()
