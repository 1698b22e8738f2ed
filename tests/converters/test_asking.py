from __future__ import annotations

import errno
import hashlib
import os
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.asking import Aside, Asides, in_order, tally
from converters.transcription.transcribe import sent_id
from mi_llm import files
from mi_llm.errors import InputError, Stopped
from mi_llm.llm import Answer, Request
from mi_llm.personal_data import mask
from mi_llm.service import Result
from tests.converters.llm_jobs import talks


def test_the_closing_line_counts_by_kind():
    asides = Asides({("skipped", ""): 15, ("set aside", "cut off"): 2, ("set aside", "no JSON"): 3})
    assert tally(480, asides, word="kept") == (
        "kept 480 of 500: 15 skipped, 5 set aside (3 no JSON, 2 cut off)"
    )
    assert tally(1200, Asides(), word="kept") == "kept 1,200 of 1,200"
    assert Aside("a", "set aside", "breaks a rule: turn 5 is blank", "").kind == "breaks a rule"


@given(st.integers(0, 12), st.randoms(use_true_random=False))
def test_results_in_any_order_come_out_in_the_order_of_the_dialogues(
    count: int, draw: random.Random
):
    dialogues = talks("a", count)

    def shuffled(requests: Iterable[Request]) -> Iterator[Result]:
        known = list(requests)
        draw.shuffle(known)
        for one in known:
            yield Answer(one.id, one.id, None, None, None, from_ledger=False)

    pairs = ((one, Request(f"job:{one.id}", ())) for one in dialogues)
    found = list(in_order(pairs, count, shuffled))
    assert [(one.id, result.text) for one, result in found] == [
        (one.id, f"job:{one.id}") for one in dialogues
    ]


def test_a_full_disk_stops_the_work_and_any_other_error_stays_what_it_is(tmp_path: Path):
    def write(number: int) -> None:
        with files.full_disk_stops(), files.whole(tmp_path / "a") as stream:
            stream.write("x")
            raise OSError(number, os.strerror(number))

    with pytest.raises(Stopped, match="no space left on device"):
        write(errno.ENOSPC)
    with pytest.raises(InputError, match="permission denied"):
        write(errno.EACCES)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Stopped), files.full_disk_stops():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_id_that_looks_like_a_telephone_number_is_not_sent_as_it_is():
    # About one hash in 230 holds eleven digits that look like one.
    names = [f"efaqa/{hashlib.md5(str(n).encode()).hexdigest()}" for n in range(3000)]
    assert any(mask(name)[0] != name for name in names)
    sent = [sent_id(name) for name in names]
    assert all(re.fullmatch("[a-p]{10}", one) and mask(f'"{one}"')[0] == f'"{one}"' for one in sent)
    assert len(set(sent)) == 3000
