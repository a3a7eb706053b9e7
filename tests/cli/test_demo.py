"""`fastbpr demo`: what it finds and leaves behind, without data."""

import os
import re
import shlex
import subprocess
import sys

from command_line import metrics_of, table_after


def test_the_demo_finds_the_families_and_leaves_a_model(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("demo")
    assert code == 0
    for table in metrics_of(out):
        assert table["BPR"][0] > 2 * table["popularity"][0] > 4 * table["random"][0]
    families_alone, pages = out.split("Now the shop puts")
    share, chance = (float(text) for text in re.findall(r"([\d.]+)%", families_alone))
    assert share > 95
    assert chance < 3
    families = {row[1] for row in table_after(families_alone, "item") if len(row) == 7}
    neighbours = [row[-3] for row in table_after(families_alone, "item")]
    assert len(neighbours) == 20
    assert set(neighbours) == families
    before, after, chance = (float(text) for text in re.findall(r"([\d.]+)%", pages))
    assert before > 50
    assert after <= chance < 5
    command = shlex.split(out.split("Next:")[1])
    assert command[:3] == ["fastbpr", "similar", "fastbpr-demo.npz"]
    assert run(*command[1:])[0] == 0


def test_the_demo_needs_no_reader_and_no_encoding(tmp_path):
    code = "import sys; sys.modules['pyarrow'] = None; from fastbpr.cli import main; sys.exit(main())"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "-o", "demo.npz"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["demo.npz"]
