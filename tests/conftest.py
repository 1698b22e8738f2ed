"""What all tests share: where the real corpora are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """The folder of real corpora; a test that takes it carries the marker `real_data`."""
    named = os.environ.get("MI_LLM_REAL_DATA", "")
    if not named:
        pytest.skip("MI_LLM_REAL_DATA names no folder of real corpora")
    return Path(named).resolve()
