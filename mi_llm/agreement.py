"""How well raters agree, beyond chance, on categories; scales are in `mi_llm.agreement_scales`.

A coefficient that is undefined is None, never 1 or NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from mi_llm.errors import InputError


def percent_agreement(one: Sequence[Hashable], two: Sequence[Hashable]) -> float:
    """Items on which two raters say the same, as a fraction in [0, 1].

    Args:
        one: N ratings.
        two: Another rater's of the same items, same order.

    Raises:
        InputError: If there is no item.
    """
    if len(one) != len(two):
        raise ValueError(f"{len(one)} ratings but {len(two)}")
    if not one:
        raise InputError("no item was rated twice; agreement of nothing is undefined")
    return sum(a == b for a, b in zip(one, two, strict=True)) / len(one)


def cohen_kappa(one: Sequence[Hashable], two: Sequence[Hashable]) -> float | None:
    """Cohen's kappa: agreement beyond what the two raters' own frequencies make likely.

    Cohen 1960, Educational and Psychological Measurement 20:37-46. Unweighted.

    Args:
        one: N ratings in unordered categories.
        two: Another rater's of the same items, same order.

    Returns:
        A number in [-1, 1]; None if both raters used one and the same category throughout: then
        chance alone gives full agreement, and kappa is undefined, not 1.

    Raises:
        InputError: If there is no item.
    """
    observed = percent_agreement(one, two)
    first, second = Counter(one), Counter(two)
    by_chance = sum(first[name] * second[name] for name in first)  # times n squared: exact
    if by_chance == len(one) ** 2:
        return None
    expected = by_chance / len(one) ** 2
    return (observed - expected) / (1 - expected)


def confusion(one: Sequence[Hashable], two: Sequence[Hashable]) -> Counter[tuple[Hashable, ...]]:
    """How often the first rater said this while the second said that: (this, that) -> items."""
    return Counter(zip(one, two, strict=True))


def weighted_kappa(one: Sequence[float], two: Sequence[float]) -> float | None:
    """Kappa for scores on a scale, where disagreement counts by its square.

    Cohen 1968, Psychological Bulletin 70:213-220, with the squared difference of the scores as
    weight: 1 less the mean squared difference by that of all N x N pairs. So scores are taken as
    they are, and one that nobody gave still keeps its place on the scale.

    Args:
        one: N scores.
        two: Another rater's of the same items, same order.

    Returns:
        At most 1; None if both raters gave one and the same score throughout.

    Raises:
        InputError: If there is no item.
    """
    percent_agreement(one, two)  # for its errors
    observed = sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) * len(one)
    first, second = Counter(one), Counter(two)
    by_chance = sum(n * m * (a - b) ** 2 for a, n in first.items() for b, m in second.items())
    return 1 - observed / by_chance if by_chance else None


def fleiss_kappa(items: Iterable[Sequence[Hashable]]) -> float | None:
    """Fleiss' kappa: agreement of any number of raters beyond what their shares together predict.

    Fleiss 1971, Psychological Bulletin 76:378-382. The raters need not be the same for each item;
    with two it is Scott's pi, not Cohen's kappa.

    Args:
        items: For each item the categories that its raters named: as many for all, at least two.

    Returns:
        At most 1; None if all named one and the same category throughout.

    Raises:
        InputError: If there is no item, or their raters differ in number or are fewer than two.
    """
    counted = [Counter(ratings) for ratings in items]
    if not counted:
        raise InputError("no item was rated; agreement of nothing is undefined")
    raters = counted[0].total()
    if raters < 2 or any(one.total() != raters for one in counted):
        raise InputError("Fleiss' kappa needs as many raters for each item, two or more")
    shares: Counter[Hashable] = sum(counted, Counter())
    ratings = len(counted) * raters
    if len(shares) == 1:
        return None
    agreeing = sum(n * (n - 1) for one in counted for n in one.values())
    observed = agreeing / (ratings * (raters - 1))
    expected = sum((n / ratings) ** 2 for n in shares.values())
    return (observed - expected) / (1 - expected)


def krippendorff_alpha(items: Iterable[Sequence[float]], *, ordinal: bool = False) -> float | None:
    """Krippendorff's alpha: agreement of any raters where some ratings may be missing.

    Computed by NLTK. Krippendorff 2018, Content Analysis, 4th edition, ch. 12. The package
    `krippendorff` gives the same, but is GPL-3.0.

    Args:
        items: For each item the ratings that it got, one per rater who rated it. Items with fewer
            than two say nothing of agreement and count for nothing.
        ordinal: Whether ratings are ranks, further apart the more ratings lie between them;
            otherwise they are names of categories.

    Returns:
        At most 1; None if no item has two ratings, or all ratings are the same.
    """
    from nltk.metrics.agreement import AnnotationTask

    pairable = [list(one) for one in items if len(one) > 1]
    shares = Counter(rating for one in pairable for rating in one)
    if len(shares) < 2:
        return None
    data = [
        (rater, number, rating)
        for number, one in enumerate(pairable)
        for rater, rating in enumerate(one)
    ]
    below = {one: sum(n for other, n in shares.items() if other < one) for one in shares}
    place = {one: below[one] + n / 2 for one, n in shares.items()}  # its mean rank

    def distance(a: float, b: float) -> float:
        return (place[a] - place[b]) ** 2 if ordinal else float(a != b)

    return float(AnnotationTask(data, distance=distance).alpha())
