"""What the converters and the evaluators share: data types, files, recipes, validation."""

__version__ = "0.1.0"
