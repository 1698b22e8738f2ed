"""Command line of the converters: `python -m converters --help`."""

from __future__ import annotations

from converters import dialogue_command, llm_commands, profile_command, rows_command
from converters.calm_it import command as calm_it_command
from converters.models import commands as model_commands
from converters.pairs import command as pairs_command
from converters.review import command as review_command
from mi_llm import cli

# Everything else is imported inside the commands, so that --help answers at once.

app = cli.command_group("Dialogues in, Alpaca rows out; what the rows are checked and tried with.")

app.command()(dialogue_command.convert)
app.command()(dialogue_command.stats)
app.command()(dialogue_command.split)
app.command()(rows_command.alpaca)
app.command()(rows_command.check)
app.command()(llm_commands.screen)
app.command()(llm_commands.transcribe)
app.command()(review_command.review)
app.command()(profile_command.profiles)
app.command("calm-it")(calm_it_command.calm_it)
app.command()(pairs_command.pairs)
app.command()(model_commands.baichuan2)
app.command()(model_commands.stand_in)


if __name__ == "__main__":
    cli.run(app)
