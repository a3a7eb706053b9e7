"""fastbpr beside the peers that are installed, interleaved and on the same data: a table and a picture per question.

    python benchmarks/compare.py speed --size small --factors 64 --threads 1 2
    python benchmarks/compare.py recall --python buffalo=other-environment/bin/python

README.md in this folder says what is measured and what the columns mean.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # implicit asks for it: its own threads call BLAS

import argparse
import importlib.util
import math
import platform
import shlex
import sys
from pathlib import Path

import list_times
import numpy as np
import recall_curves
import training_costs
from measuring import OtherProcesses, machine
from peers import TRAINERS
from power_law import SIZES
from workers import Remote

QUESTIONS = {
    "speed": training_costs.speed,
    "sizes": training_costs.sizes,
    "recall": recall_curves.recall,
    "lists": list_times.lists,
    "memory": training_costs.memory,
}


def main():
    parser = command_line()
    arguments = parser.parse_args()
    trainers = available(arguments.only, dict(arguments.python))
    if arguments.question == "memory":
        trainers = [trainer for trainer in trainers if trainer.package == "fastbpr"]
    if not trainers:
        parser.error("nothing to measure: none of these packages is installed")

    others = OtherProcesses(trainers)
    answer = QUESTIONS[arguments.question](arguments, trainers)
    versions = {trainer.package: trainer.version() for trainer in trainers}
    versions = ", ".join(f"{package} {version}" for package, version in versions.items())
    facts = [
        f"Machine: {machine()}",
        f"Versions: Python {platform.python_version()}, NumPy {np.__version__}, {versions}",
        f"Command: python {shlex.join(sys.argv)}",
        *answer.facts,
        f"Meanwhile other processes used {others.n_cpus():.2f} CPUs. Figures of a busy machine mean little.",
    ]
    report = "\n".join(f"* {fact}" for fact in facts) + f"\n\n{answer.table}\n"
    print(report)

    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / f"{answer.name}.md").write_text(report)
    if answer.picture is not None:
        answer.picture.text(0.01, 0.01, f"{machine()}; {versions}", fontsize=6, color="dimgray")
        answer.picture.savefig(arguments.output / f"{answer.name}.png", dpi=150)
    print(f"Written to {arguments.output}")


def available(only, pythons):
    """Return the trainers whose library is installed here, or in the environment of one of `pythons`, by package."""
    trainers = [trainer for trainer in TRAINERS if only is None or trainer.package in only]
    return [
        Remote(trainer, pythons[trainer.package]) if trainer.package in pythons else trainer
        for trainer in trainers
        if trainer.package in pythons or importlib.util.find_spec(trainer.package)
    ]


# ---- command line ---------------------------------------------------------------------------------------------------


def command_line():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.set_defaults(only=None, python=[])
    subparsers = parser.add_subparsers(dest="question", required=True)
    n_cpus = os.cpu_count()

    speed = add_question(subparsers, "speed", "updates a second, by library and threads", epochs=4, repetitions=5)
    speed.add_argument("--size", choices=SIZES, default="small")
    speed.add_argument("--threads", type=thread_number, nargs="+", default=sorted({1, n_cpus}))

    sizes = add_question(subparsers, "sizes", "cost of an update, by size of the data", epochs=3, repetitions=3)
    sizes.add_argument("--sizes", choices=SIZES, nargs="+", default=[size for size in SIZES if size != "tiny"])
    sizes.add_argument("--threads", type=thread_number, default=1)

    recall = add_question(subparsers, "recall", "time to a Recall@20 on gowalla", epochs=128, repetitions=1)
    recall.add_argument("--threads", type=thread_number, default=n_cpus)
    recall.add_argument("--target", type=float, default=0.12, help="Recall@20 to be reached (default: 0.12)")
    recall.add_argument("--tune", action="store_true", help="compare learning rates instead, on validation rows")

    lists = add_question(subparsers, "lists", "seconds for all lists of gowalla, beside implicit", epochs=100)
    lists.add_argument("--threads", type=thread_number, nargs="+", default=sorted({1, n_cpus}))
    lists.set_defaults(only=["fastbpr", "implicit"])

    memory = add_question(subparsers, "memory", "peak memory of fastbpr's fit", epochs=None, repetitions=None)
    memory.add_argument("--size", choices=SIZES, default="large")
    memory.add_argument("--threads", type=thread_number, default=n_cpus)

    for question in (speed, sizes, recall):
        question.add_argument("--only", nargs="+", metavar="PACKAGE", help="leave the other packages out")
        question.add_argument(
            "--python", type=package_and_python, action="append", default=[], metavar="PACKAGE=PYTHON",
            help="run this package in a process of another Python interpreter; may be repeated",
        )  # fmt: skip
    return parser


def add_question(subparsers, name, help, epochs, repetitions=5):
    parser = subparsers.add_parser(name, help=help, description=help)
    parser.add_argument("--factors", type=positive, default=64)
    if epochs is not None:
        # Of training speed the first epoch is a warm-up.
        kind = at_least_two if name in ("speed", "sizes") else positive
        parser.add_argument("--epochs", type=kind, default=epochs, help=f"of a fit (default: {epochs})")
    if repetitions is not None:
        parser.add_argument("--repetitions", type=positive, default=repetitions, help=f"(default: {repetitions})")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results", metavar="FOLDER",
        help="for the table and the picture (default: results, beside this file)",
    )  # fmt: skip
    return parser


def positive(text):
    return whole_number(text, 1)


def at_least_two(text):
    return whole_number(text, 2)


def thread_number(text):
    return whole_number(text, 1, os.cpu_count())


def whole_number(text, least, most=math.inf):
    if not text.isdecimal() or not least <= int(text) <= most:
        rule = f"at least {least}" if most == math.inf else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"must be a whole number {rule}, got {text!r}")
    return int(text)


def package_and_python(text):
    package, _, python = text.partition("=")
    packages = {trainer.package for trainer in TRAINERS}
    if package not in packages or not os.access(python, os.X_OK):
        raise argparse.ArgumentTypeError(
            f"must be PACKAGE=PYTHON, one of {', '.join(sorted(packages))} and the path of an interpreter, got {text!r}"
        )
    return package, python


if __name__ == "__main__":
    main()
