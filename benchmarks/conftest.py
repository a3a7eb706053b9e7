"""Prints what pytest-benchmark's table does not show: the cost per update, which is comparable between data sizes."""


def pytest_terminal_summary(terminalreporter):
    costs = [
        (report.nodeid.partition("::")[2], value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "ns_per_update" and report.when == "call"
    ]
    if costs:
        terminalreporter.section("cost per update, median")
        width = max(len(name) for name, _ in costs)
        for name, cost in sorted(costs, key=lambda pair: pair[1]):
            terminalreporter.write_line(f"{name:{width}}  {cost:>12,.1f} ns")
