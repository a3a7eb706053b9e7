"""Cost per piece of work: comparable between data sizes, and not in pytest-benchmark's table."""

import pytest


@pytest.fixture
def report_cost(benchmark, record_property):
    """Call it after the timing with the number of pieces of work in a round, and the name of one."""

    def report(n_pieces, piece):
        benchmark.extra_info[f"n_{piece}s"] = n_pieces
        if benchmark.enabled:
            cost = benchmark.stats.stats.median / n_pieces * 1e9
            benchmark.extra_info[f"ns_per_{piece}"] = cost
            record_property("cost", (piece, cost))

    return report


def pytest_terminal_summary(terminalreporter):
    costs = [
        (*value, report.nodeid.partition("::")[2])
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "cost" and report.when == "call"
    ]
    if costs:
        terminalreporter.section("cost, from the median round")
        for piece, cost, name in sorted(costs):
            terminalreporter.write_line(f"{cost:>12,.1f} ns per {piece}  {name}")
