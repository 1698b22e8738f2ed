"""The benchmark of scoring runs where no real corpus is."""

from benchmarks.score import new_replies, real_replies


def test_without_real_corpora_the_sample_gives_the_replies(monkeypatch):
    monkeypatch.delenv("MI_LLM_REAL_DATA", raising=False)
    replies = real_replies()
    assert len(replies) == 367
    assert all(replies)
    assert len(set(replies)) > 50
    assert len(next(new_replies(replies, 0))) == 73
