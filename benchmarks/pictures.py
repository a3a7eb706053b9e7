"""The pictures of compare.py."""

import textwrap
from statistics import median

from answer import counted

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator
except ModuleNotFoundError:
    raise SystemExit('The pictures need matplotlib: pip install -e ".[bench]"') from None

# Okabe and Ito's colours, which can be told apart with any kind of colour vision, and a marker for print.
STYLES = {
    "fastbpr blocked": ("#0072B2", "o"),
    "fastbpr hogwild": ("#56B4E9", "v"),
    "implicit": ("#D55E00", "s"),
    "lightfm": ("#CC79A7", "D"),
    "cornac": ("#009E73", "^"),
    "buffalo": ("#E69F00", "P"),
}
SHADES = ["#9ecae1", "#3182bd", "#08519c", "#08306b"]  # more threads, darker
INK, PAPER_INK = "#222222", "#666666"


def speed(costs, conditions):
    """`costs`: {(name of trainer, number of threads): array of ns per update}."""
    rates = {key: 1e3 / own for key, own in costs.items()}  # millions a second
    names, threads = (list(dict.fromkeys(keys)) for keys in zip(*costs, strict=True))
    names.sort(key=lambda name: -max(median(rates[name, n]) for n in threads))
    figure, axes = new_figure("How many updates does training make in a second?", conditions, len(names) * 0.75 + 1.6)
    bars(axes, names, threads, rates, "{:.1f}")
    legend_of_threads(figure, axes)
    axes.set_xlabel("million useful updates per second (median; line: slowest to fastest repetition)")
    return figure


def sizes(curves, conditions):
    """`curves`: {name of trainer: {number of interactions: array of ns per update}}."""
    figure, axes = new_figure("What does an update cost as the data grow?", conditions)
    for name, curve in curves.items():
        x, y = list(curve), [median(costs) for costs in curve.values()]
        line(
            axes, name, x, y, label=f"{name}: {y[0]:.0f} to {y[-1]:.0f} ns" if len(y) > 1 else f"{name}: {y[0]:.0f} ns"
        )
    logarithmic(axes.xaxis, lambda value: f"{value / 1e6:.2f} M")
    axes.set_xticks(list(next(iter(curves.values()))))
    axes.set_xticks([], minor=True)
    logarithmic(axes.yaxis, lambda value: f"{value:g}")
    axes.set_xlabel("interactions")
    axes.set_ylabel("ns per useful update")
    legend(axes, order=sorted(curves, key=lambda name: -median(list(curves[name].values())[-1])))
    return figure


def recall(curves, target, conditions):
    """`curves`: {name of trainer: (points, the quickest point that reaches the target or None)}."""
    figure, axes = new_figure(f"How long does training take to reach a Recall@20 of {target:g}?", conditions)
    for name, (points, reached) in curves.items():
        label = f"{name}: {f'{reached.seconds:.2g} s' if reached else 'not reached'}"
        line(axes, name, [point.seconds for point in points], [point.recall for point in points], label)
        if reached:
            axes.plot(reached.seconds, reached.recall, "o", ms=13, mfc="none", mec=style(name)[0], mew=1.5)
    axes.axhline(target, color=PAPER_INK, linestyle="--", linewidth=1)
    logarithmic(axes.xaxis, lambda value: f"{value:g}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds of training, whole fit; one marker for each number of epochs")
    axes.set_ylabel("Recall@20 on held-out items")
    legend(axes, order=sorted(curves, key=lambda name: curves[name][1].seconds if curves[name][1] else float("inf")))
    return figure


def lists(seconds, conditions):
    """`seconds`: {(task, number of threads, library): array}."""
    tasks, threads, libraries = (list(dict.fromkeys(keys)) for keys in zip(*seconds, strict=True))
    figure, panels = new_figure(
        "How long do all lists take, from the same factors?", conditions, 3.2, n_columns=len(tasks)
    )
    for axes, task in zip(panels, tasks, strict=True):
        of_task = {(library, n): own for (other, n, library), own in seconds.items() if other == task}
        bars(axes, libraries, threads, of_task, "{:.2f}")
        axes.set_title(task, fontsize=10, color=INK)
        axes.set_xlabel("seconds")
    legend_of_threads(figure, panels[0])
    return figure


# ---- parts ----------------------------------------------------------------------------------------------------------


def new_figure(title, conditions, height=5.0, n_columns=1):
    """Leave room for two lines about the machine, which compare.py adds."""
    figure = Figure(figsize=(9, height), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0.35 / height, 1, 1 - 0.9 / height))
    figure.suptitle(title, x=0.01, y=1 - 0.1 / height, ha="left", va="top", fontsize=13, weight="bold", color=INK)
    figure.text(
        0.01, 1 - 0.42 / height, "\n".join(textwrap.wrap(conditions, 130)), va="top", fontsize=8, color=PAPER_INK
    )
    panels = figure.subplots(1, n_columns, sharey=True)
    for axes in [panels] if n_columns == 1 else panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=INK)
    return figure, panels


def bars(axes, names, threads, values, number):
    """Draw a group of bars for each name, from the top, and in it a bar for each number of threads."""
    height = 0.8 / len(threads)
    for place, n in enumerate(threads):
        y = [row + (place - (len(threads) - 1) / 2) * height for row in range(len(names))]
        own = [values[name, n] for name in names]
        middle = [median(array) for array in own]
        color = SHADES[min(place, len(SHADES) - 1)]
        axes.barh(y, middle, height * 0.92, color=color, label=counted(n, "thread"))
        axes.hlines(y, [min(array) for array in own], [max(array) for array in own], color=INK, linewidth=1)
        for at, value, array in zip(y, middle, own, strict=True):
            axes.annotate(
                number.format(value), (max(array), at), (4, 0), textcoords="offset points", va="center", fontsize=9,
                color=INK,
            )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.15 * max(max(array) for array in values.values()))


def line(axes, name, x, y, label):
    color, marker = style(name)
    ours = name.startswith("fastbpr")
    axes.plot(x, y, color=color, marker=marker, markersize=5, linewidth=2.4 if ours else 1.6, label=label)


def style(name):
    return STYLES.get(name, (INK, "x"))


def logarithmic(axis, text):
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter("")
    axis.grid(True, which="major", color="#dddddd", linewidth=0.8)
    axis.axes.set_axisbelow(True)


def legend_of_threads(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=len(handles), frameon=False, fontsize=9)


def legend(axes, order):
    """Put it beside the lines, in the order of these names."""
    handles = {handle.get_label().partition(":")[0]: handle for handle in axes.get_legend_handles_labels()[0]}
    axes.legend(handles=[handles[name] for name in order], loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
