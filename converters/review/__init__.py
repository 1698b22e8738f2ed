"""Machine checks of transcriptions, review books, decisions."""
