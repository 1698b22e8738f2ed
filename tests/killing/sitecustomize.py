"""Read by each Python that starts with this folder on its path: kills as `tests.kills` asks."""

import os

if "MI_LLM_KILL_AT" in os.environ:
    from tests.kills import kill_as_asked

    kill_as_asked()
