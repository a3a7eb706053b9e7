"""What training costs: time by threads, time by size of the data, memory."""

from functools import partial
from statistics import median

import numpy as np
import pictures
from answer import Answer, counted, described, markdown, negatives, spread
from measuring import cost, interleaved, peak_memory
from peers import SAME
from power_law import SIZES, power_law


def speed(arguments, trainers):
    """Ratios are medians over the repetitions of ratios within a repetition."""
    threads = list(dict.fromkeys(arguments.threads))
    matrix = power_law(*SIZES[arguments.size])
    measured = fits_of(trainers, matrix, threads, arguments)
    costs = costs_of(measured)
    first, fewest = trainers[0].name, threads[0]
    columns = [
        "trainer", "threads", "ns per useful update (min - max)", f"over {first}",
        f"speed-up over {counted(fewest, 'thread')}", "useful updates per interaction", "fit / (epochs x epoch)",
    ]  # fmt: skip
    rows = []
    for n in threads:
        for name in (trainer.name for trainer in trainers):
            own, fits = costs[name, n], measured[name, n]
            useful = median(sum(fit.n_updates) / len(fit.n_updates) for fit in fits) / matrix.nnz
            whole = median(fit.seconds / (len(fit.epochs) * median(fit.epochs[1:])) for fit in fits)
            rows.append([
                name, n, spread(own, 1), f"{median(own / costs[first, n]):.2f}",
                f"{median(costs[name, fewest] / own):.2f}", f"{useful:.3f}", f"{whole:.2f}",
            ])  # fmt: skip
    data = described(arguments.size, matrix, arguments.factors)
    return Answer("speed", [f"Data: {data}", negatives(trainers)], markdown(columns, rows), pictures.speed(costs, data))


def fits_of(trainers, matrix, threads, arguments):
    """Return {(name of trainer, number of threads): list of Fit without the factors}."""

    def run(trainer, data, num_threads):
        fit = trainer.fit(data, arguments.factors, arguments.epochs, num_threads, SAME)
        return fit._replace(factors=None)

    prepared = [(trainer, trainer.prepare(matrix)) for trainer in trainers]
    runs = {(trainer.name, n): partial(run, trainer, data, n) for trainer, data in prepared for n in threads}
    return interleaved(runs, arguments.repetitions)


def costs_of(measured):
    return {key: np.array([cost(fit) for fit in fits]) for key, fits in measured.items()}


def sizes(arguments, trainers):
    facts, curves = [], {trainer.name: {} for trainer in trainers}
    for size in dict.fromkeys(arguments.sizes):
        matrix = power_law(*SIZES[size])
        facts.append(f"Data: {described(size, matrix, arguments.factors)}")
        for (name, _), costs in costs_of(fits_of(trainers, matrix, [arguments.threads], arguments)).items():
            curves[name][matrix.nnz] = costs
    n_interactions = list(curves[trainers[0].name])
    columns = ["ns per useful update (min - max)", *(f"{n / 1e6:.2f} M interactions" for n in n_interactions)]
    rows = [[name, *(spread(costs, 1) for costs in curve.values())] for name, curve in curves.items()]
    conditions = f"{counted(arguments.factors, 'factor')}, {counted(arguments.threads, 'thread')}"
    facts += [f"Threads: {arguments.threads}", negatives(trainers)]
    return Answer("sizes", facts, markdown(columns, rows), pictures.sizes(curves, conditions))


def memory(arguments, trainers):
    columns = [
        "trainer",
        "threads",
        "peak above the matrix, MB",
        "of it the model, MB",
        "the rest, bytes per interaction",
    ]
    rows = []
    for trainer in trainers:
        peak, model, n_interactions = peak_memory(trainer, arguments.size, arguments.factors, arguments.threads)
        rest = f"{(peak - model) / n_interactions:.1f}"
        rows.append([trainer.name, arguments.threads, f"{peak / 1e6:.1f}", f"{model / 1e6:.1f}", rest])
    data = described(arguments.size, power_law(*SIZES[arguments.size]), arguments.factors)
    return Answer("memory", [f"Data: {data}"], markdown(columns, rows), None)
