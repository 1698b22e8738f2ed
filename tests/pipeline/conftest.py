import pytest

from tests.pipeline.llamafactory import TEMPLATES, stand_in


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory):
    """The three stand-ins, hardly warmed up: family -> folder."""
    pytest.importorskip("llamafactory")
    folder = tmp_path_factory.mktemp("stand_ins")
    return {family: stand_in(family, folder, steps=1) for family in TEMPLATES}
