"""What tests of commands share: options of the log and of training, and how to read what is printed."""

COLUMNS = ["--user", "visitor", "--item", "sku"]
SMALL = ["--factors", "16", "--iterations", "30"]


def assert_refused(result, message):
    """One line on stderr with the message, nothing on stdout, exit code 2."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("fastbpr: error: ")
    assert err.count("\n") == 1
    assert message in err


def table_after(out, header):
    """The table whose header starts with a word, as lists of words."""
    lines = out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:1] == [header])
    rows = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        rows.append(line.split())
    return rows


def metrics_of(out):
    """The two tables of metrics: user-item and item-item, each a dict of model name to list of numbers."""
    tables = []
    for part in out.split("\n\n"):
        lines = [line.split() for line in part.splitlines()]
        if lines and lines[0][:1] == ["hr@10"]:
            tables.append({line[0]: [float(word) for word in line[1:]] for line in lines[1:]})
    return tables
