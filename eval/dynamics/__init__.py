"""How a dialogue goes: redirections and what comes of them, change talk, and what length does."""
