"""Every checkpoint of a training: predicted, scored, compared."""
