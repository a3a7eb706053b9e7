"""The commands of `fastbpr`, a module each, and what they share.

``add(commands)`` of a command's module says what the command accepts, ``run(arguments)`` does it and returns the exit
code. `fastbpr.cli` lists them.
"""
