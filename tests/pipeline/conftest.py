import pytest

from tests.pipeline.llamafactory import TEMPLATES, stand_in
from tests.pipeline.rows import write_sample_rows


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory):
    """The three stand-ins, hardly warmed up: family -> folder."""
    pytest.importorskip("llamafactory")
    folder = tmp_path_factory.mktemp("stand_ins")
    return {family: stand_in(family, folder, steps=1) for family in TEMPLATES}


@pytest.fixture(scope="session")
def sample_rows(tmp_path_factory):
    """A folder with the sample rows, registered in a dataset_info.json of its own."""
    folder = tmp_path_factory.mktemp("sample_rows")
    write_sample_rows(folder)
    return folder
