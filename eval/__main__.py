"""Command line of the evaluation: `python -m eval --help`."""

from __future__ import annotations

import os

from eval import breakdown_command, predict_command, score_command
from eval.agreement import command as agreement_command
from eval.books import command as book_command
from eval.dynamics import command as dynamics_command
from eval.interview import command as interview_command
from eval.judge import command as judge_command
from eval.miti import command as miti_command
from eval.redteam import command as redteam_command
from eval.report import command as report_command
from eval.roleplay import command as roleplay_command
from eval.sweep import command as sweep_command
from eval.transcripts import command as transcripts_command
from mi_llm import cli

# Everything else is imported inside the commands, so that --help answers at once.

# Matrices here are small: NumPy's threads on them take time and give none back.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = cli.command_group("Predictions and transcripts in; scores, tests and reports out.")


app.command()(report_command.report)
app.command()(score_command.score)
app.command()(score_command.compare)
app.command()(breakdown_command.breakdown)
app.command()(predict_command.predict)
app.command()(sweep_command.sweep)
app.command()(roleplay_command.roleplay)
app.command()(interview_command.interview)
app.command()(redteam_command.redteam)
app.command()(transcripts_command.transcripts)
app.command()(book_command.book)
app.command()(book_command.codes)
app.command()(judge_command.judge)
app.command()(miti_command.miti)
app.command()(agreement_command.agreement)
app.command()(dynamics_command.dynamics)


if __name__ == "__main__":
    cli.run(app)
