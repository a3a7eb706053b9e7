"""Fixtures of the command line's tests: a log in files, a model of it, and something to run commands with."""

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from command_line import COLUMNS, SMALL

from fastbpr.cli import main
from fastbpr.datasets import simulate_shop


@pytest.fixture(scope="session")
def shop():
    return simulate_shop(n_users=800, n_items=300, n_clusters=15, clicks_per_user=20, off_taste_share=0.2)


@pytest.fixture(scope="session")
def logs(shop, tmp_path_factory):
    """A folder with the shop's log as a CSV file and as a folder of two Parquet files."""
    folder = tmp_path_factory.mktemp("logs")
    names = shop.item_names[np.searchsorted(shop.item_labels, shop.items)]
    table = pyarrow.table(
        {
            "visitor": shop.users,
            "sku": shop.items.tolist(),
            "session": shop.contexts,
            "time": shop.timestamps,
            "amount": np.full(len(shop.users), 2.0),
            "title": names.tolist(),
        }
    )
    pyarrow.csv.write_csv(table, folder / "clicks.csv")
    (folder / "parts").mkdir()
    half = len(table) // 2
    for name, part in {"a": table.slice(0, half), "b": table.slice(half)}.items():
        pyarrow.parquet.write_table(part, folder / "parts" / f"{name}.parquet")
    return folder


@pytest.fixture(scope="session")
def model_file(logs):
    """A model fitted by the command line."""
    path = logs / "model.npz"
    assert main(["fit", str(logs / "parts"), *COLUMNS, "--item-name", "title", *SMALL, "--quiet", "-o", str(path)]) == 0
    return path


@pytest.fixture
def run(capsys):
    """Run a command line; give its exit code, stdout and stderr."""

    def run(*argv):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in argv])
        except SystemExit as end:  # argparse
            code = end.code
        return code, *capsys.readouterr()

    return run
