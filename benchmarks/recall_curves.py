"""How long training takes to reach a given Recall@20, by library."""

import sys
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import pictures
from answer import Answer, counted, described, markdown
from measuring import interleaved
from quality import load, matrix_of
from workers import PeerDied

from fastbpr.evaluation import evaluate


class Point(NamedTuple):
    """Medians of fits with one number of epochs."""

    epochs: int
    seconds: float
    recall: float


def recall(arguments, trainers):
    train, test = validation_split() if arguments.tune else load("gowalla")[:2]
    curves = curves_of(trainers, train, test, arguments)
    names, target = [trainer.name for trainer in trainers], arguments.target
    keys = sorted(curves, key=lambda key: (names.index(key[0]), *promise(curves[key], target)))
    data = described("gowalla", train, arguments.factors)
    fits = "one fit" if arguments.repetitions == 1 else f"medians of {arguments.repetitions} fits"
    fits += " for each number of epochs"
    facts = [
        f"Data: {data}; {test.nnz:,} {'validation rows' if arguments.tune else 'test rows'} held out",
        f"Threads: {arguments.threads}; {fits}",
    ]
    table = recall_table(keys, curves, target) + "\n\n" + points_table(keys, curves)
    if arguments.tune:
        return Answer("recall-tune", facts, table, None)
    reached = {name: (curves[name, rates], quickest(curves[name, rates], target)) for name, rates in keys}
    conditions = f"{data}, {counted(arguments.threads, 'thread')}; {fits}"
    return Answer("recall", facts, table, pictures.recall(reached, target, conditions))


def validation_split():
    """Return (train, test) made of the training rows alone."""
    train, _, file = load("gowalla")
    valid = file["train_is_lightgcnpp_valid"]
    users, items = file["train_user"], file["train_item"]
    return tuple(matrix_of(users[rows], items[rows], train.shape) for rows in (~valid, valid))


def curves_of(trainers, train, test, arguments):
    """Return {(name of trainer, rates): list of Point}, from fits from scratch with more and more epochs."""

    def run(trainer, data, rates, epochs):
        try:
            fit = trainer.fit(data, arguments.factors, epochs, arguments.threads, rates)
        except PeerDied as error:
            print(f"{trainer.name}, {epochs} epochs: {error}", file=sys.stderr)
            return None
        return fit.seconds, recall_at_20(fit.factors, train, test)

    prepared = [(trainer, trainer.prepare(train)) for trainer in trainers]
    for trainer, data in prepared:
        run(trainer, data, trainer.tuned, 1)  # the first fit of a process is slower
    runs = {
        (trainer.name, rates, epochs): partial(run, trainer, data, rates, epochs)
        for epochs in growing(arguments.epochs)
        for trainer, data in prepared
        for rates in (trainer.tried if arguments.tune else [trainer.tuned])
    }
    curves = {}
    for (name, rates, epochs), pairs in interleaved(runs, arguments.repetitions).items():
        pairs = [pair for pair in pairs if pair is not None]  # its process has died: there is no such point
        if pairs:
            point = Point(epochs, *(median(values) for values in zip(*pairs, strict=True)))
            curves.setdefault((name, rates), []).append(point)
    return curves


def growing(most):
    """Return 1, 2, 3, 4, 6, 8, 12 ... up to `most`, two numbers to each doubling."""
    numbers = {1, most} | {2**k for k in range(1, 20)} | {3 * 2**k for k in range(20)}
    return sorted(number for number in numbers if number <= most)


def recall_at_20(factors, train, test):
    """Return 0 if training diverged."""
    if not all(np.isfinite(array).all() for array in factors):
        return 0.0
    return evaluate(factors, train, test, K=20, metrics=["recall"])["recall@20"]


def quickest(curve, target):
    """Return the point of the quickest fit that reaches the target, or None."""
    return min((point for point in curve if point.recall >= target), key=lambda point: point.seconds, default=None)


def promise(curve, target):
    """Order curves: first those that reach the target, the quickest first, then by the best that they reach."""
    point = quickest(curve, target)
    return (float("inf") if point is None else point.seconds), -max(point.recall for point in curve)


def rates_of(key):
    return "the library's" if key[1] is None else f"{key[1].learning_rate:g}, {key[1].regularization:g}"


def recall_table(keys, curves, target):
    first = quickest(curves[keys[0]], target)
    columns = [
        "trainer", "learning rate, regularisation", f"epochs to {target:g}", f"seconds to {target:g}",
        f"over {keys[0][0]}", "best Recall@20", "its epochs", "its seconds",
    ]  # fmt: skip
    rows = []
    for key in keys:
        point, best = quickest(curves[key], target), max(curves[key], key=lambda point: point.recall)
        reached = ["-", "-", "-"]
        if point is not None:
            reached = [point.epochs, f"{point.seconds:.2f}", f"{point.seconds / first.seconds:.2f}" if first else "-"]
        rows.append([key[0], rates_of(key), *reached, f"{best.recall:.4f}", best.epochs, f"{best.seconds:.2f}"])
    return markdown(columns, rows)


def points_table(keys, curves):
    columns = ["Recall@20 (seconds) after epochs:", "rates", *(point.epochs for point in curves[keys[0]])]
    rows = [[key[0], rates_of(key), *(f"{p.recall:.4f} ({p.seconds:.2f})" for p in curves[key])] for key in keys]
    return markdown(columns, rows)
