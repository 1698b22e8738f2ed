"""How far raters agree: with each other, with a standard, with AnnoMI's experts."""
