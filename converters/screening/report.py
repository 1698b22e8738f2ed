"""What screening found: means with intervals, the ranking, and published values beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from unicodedata import east_asian_width

from converters.asking import Asides
from converters.screening.ranking import Ranking, ranking
from converters.screening.rubric import MAXIMA, TOTAL, totals
from converters.screening.screen import Corpus, Judged
from converters.splitting import source
from mi_llm.service import Alike, alike
from mi_llm.statistics import NO_SPREAD, Estimate, Scale, clustered_mean, few_dialogues


@dataclass(frozen=True, slots=True)
class Published:
    """Mean points that a publication prints for a corpus, by the same rubric."""

    corpus: str
    means: Mapping[str, float]
    source: str


# By what stands before the slash of a dialogue's id. The paper draws its own Figure 2 without
# printing values, and CPsyCoun's other row (role-play) is of no corpus that one could screen.
PUBLISHED = {
    "cpsycound": Published(
        "CPsyCounD (Memo2Demo)",
        {"comprehensiveness": 2.00, "professionalism": 3.44, "authenticity": 2.64, "safety": 1.00},
        "Zhang et al., CPsyCoun, arXiv 2405.16433; another judge, another sample",
    )
}


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """One corpus in numbers.

    Attributes:
        corpus: What was drawn.
        judged: What the judge gave.
        means: Criterion, and `total` -> mean points with interval; None if nothing was scored.
        published: What a publication prints for the same corpus, if all that was drawn is of it.
    """

    corpus: Corpus
    judged: Judged
    means: dict[str, Estimate] | None
    published: Published | None

    @property
    def whole(self) -> bool:
        """Whether the file was scored whole, since it holds no more than were asked for."""
        return len(self.corpus.sample) == self.corpus.size


@dataclass(frozen=True, slots=True)
class Report:
    """All corpora, in the order they were named, and their order by total; None below two."""

    corpora: tuple[CorpusReport, ...]
    order: Ranking | None

    @property
    def scored(self) -> int:
        """Dialogues with a usable judgement."""
        return sum(len(one.judged.points) for one in self.corpora)

    @property
    def alike(self) -> Alike | None:
        """The judgements, if they hardly vary."""
        given = (points for one in self.corpora for points in one.judged.points.values())
        items = ([point for part in one.values() for point in part.values()] for one in given)
        return alike("judgements", items)

    @property
    def asides(self) -> Asides:
        """Dialogues without."""
        return Asides((a.status, a.kind) for one in self.corpora for a in one.judged.asides)


def report(drawn: Sequence[Corpus], found: Mapping[str, Judged], *, seed: int) -> Report:
    """Work out means, intervals and ranking.

    Args:
        drawn: The corpora.
        found: Corpus -> what the judge gave.
        seed: Of all resampling.
    """
    scores = {
        name: [totals(points) for _, points in sorted(judged.points.items())]
        for name, judged in found.items()
    }
    parts = (
        CorpusReport(one, found[one.name], _means(scores[one.name], seed), _published(one))
        for one in drawn
    )
    order = ranking({name: [s[TOTAL] for s in all_] for name, all_ in scores.items()}, seed=seed)
    return Report(tuple(parts), order)


def as_json(found: Report) -> dict[str, Any]:
    """The report as it is written: every number above, and every item of every dialogue."""
    return {
        "rubric": MAXIMA,
        "corpora": {one.corpus.name: _corpus_json(one) for one in found.corpora},
        "ranking": asdict(found.order) if found.order else None,
    }


def table(found: Report) -> Iterator[str]:
    """Yield the lines of the table: corpora, what was published, and how stable the order is."""
    width = max(len("corpus"), *(_columns(one.corpus.name) for one in found.corpora)) + 2
    heads = "".join(f"{f'{name} ({maximum:g})':>22}" for name, maximum in MAXIMA.items())
    yield f"{'corpus':{width}}{'scored':>9}{heads}{'rank':>8}"
    ranks = _ranks(found.order) if found.order else {}
    for one in found.corpora:
        scored = f"{len(one.judged.points)}/{len(one.corpus.sample)}"
        cells = "".join(f"{_cell(one.means, name):>22}" for name in MAXIMA)
        rank = ranks.get(one.corpus.name, "-")
        gap = " " * (width - _columns(one.corpus.name))
        yield f"{one.corpus.name}{gap}{scored:>9}{cells}{rank:>8}"
    yield "mean points [95% interval over dialogues]"
    yield from _published_lines(found)
    for one in found.corpora:
        if one.whole:
            yield f"{one.corpus.name}: holds {one.corpus.size:,} dialogues; all were used"
        if warning := few_dialogues(len(one.judged.points)):
            yield f"{one.corpus.name}: {warning}"
    if found.order:
        yield from _stability(found.order)


def _ranks(order: Ranking) -> dict[str, str]:
    """The rank of each corpus, with a word where others have the same."""
    return {
        name: f"{order.ranks[name]} tied" if len(names) > 1 else str(order.ranks[name])
        for names in order.places
        for name in names
    }


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: two for each Chinese character."""
    return sum(1 + (east_asian_width(character) in "WF") for character in text)


def _means(scores: Sequence[Mapping[str, float]], seed: int) -> dict[str, Estimate] | None:
    if not scores:
        return None
    dialogues = range(len(scores))
    return {
        name: clustered_mean(
            [one[name] for one in scores], dialogues, scale=Scale(0, maximum), seed=seed
        )
        for name, maximum in MAXIMA.items()
    }


def _published(corpus: Corpus) -> Published | None:
    sources = {source(dialogue.id) for dialogue in corpus.sample}
    return PUBLISHED.get(sources.pop()) if len(sources) == 1 else None


def _corpus_json(one: CorpusReport) -> dict[str, Any]:
    return {
        "path": str(one.corpus.path),
        "dialogues": one.corpus.size,
        "sampled": len(one.corpus.sample),
        "used_whole": one.whole,
        "scored": len(one.judged.points),
        "means": {name: asdict(mean) for name, mean in one.means.items()} if one.means else None,
        "published": asdict(one.published) if one.published else None,
        "points": one.judged.points,
        "set_aside": [asdict(aside) for aside in one.judged.asides],
    }


def _cell(means: Mapping[str, Estimate] | None, name: str) -> str:
    if means is None:
        return "-"
    one = means[name]
    return f"{one.mean:.2f} {_interval(one)}"


def _interval(one: Estimate) -> str:
    if one.method == NO_SPREAD:
        return "[all equal]"  # as narrow as it looks for the judge, not for other dialogues
    return "[too few]" if one.low is None else f"[{one.low:.2f}, {one.high:.2f}]"


def _published_lines(found: Report) -> Iterator[str]:
    for one in found.corpora:
        if one.published:
            told = ", ".join(f"{name} {mean:.2f}" for name, mean in one.published.means.items())
            yield f"{one.corpus.name}: published for {one.published.corpus}: {told}"
            yield f"  ({one.published.source})"


def _stability(order: Ranking) -> Iterator[str]:
    places = " > ".join(" = ".join(names) for names in order.places)
    if order.same_order is None:
        yield f"ranking by total: {places}; those with = between them are tied: equal means"
    else:
        share = f"{order.same_order:.1%} of {order.resamples:,} resamples"
        yield f"ranking by total: {places}; the same in {share}"
    for name, shares in order.probabilities.items():
        told = ", ".join(f"{place}: {share:.1%}" for place, share in enumerate(shares, start=1))
        yield f"  {name}: share of each rank: {told}"
