"""`python -m eval sweep`; words before `--` are the program that predicts, if there are any."""

import sys

from eval.sweep import run as sweep_run
from eval.sweep.command import sweep
from mi_llm import cli

if __name__ == "__main__":
    split = sys.argv.index("--")
    instead = sys.argv[1:split]
    if instead:
        sweep_run.program = lambda: instead
    sys.argv[1:] = sys.argv[split + 1 :]
    app = cli.command_group("")
    app.command()(sweep)
    cli.run(app)
