"""Personal data in Chinese text: found by form, and masked before anything leaves the machine.

Found: telephone numbers, e-mail addresses, resident identity card and passport numbers, bank cards
and account numbers, QQ numbers, WeChat ids, and street addresses down to a house number. Not found:
names, schools and employers, which have no form of their own; a person has to look for those.

Help stays: short numbers (110, 120, 12356), 400 and 800 numbers and the lines in `HELP_LINES`.

    >>> mask("我的手机是 138 0013 8000，撑不住就打12356")
    ('我的手机是 【电话】，撑不住就打12356', Counter({<Kind.PHONE: 'phone'>: 1}))
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

# Beijing's psychological support line: public, and printed in counselling dialogues.
HELP_LINES = frozenset({"01082951332", "82951332"})


class Kind(StrEnum):
    """What a piece of personal data is."""

    EMAIL = "email"
    IDENTITY = "identity"
    PASSPORT = "passport"
    ACCOUNT = "account"
    PHONE = "phone"
    QQ = "qq"
    WECHAT = "wechat"
    ADDRESS = "address"


MARKS = {
    Kind.EMAIL: "【邮箱】",
    Kind.IDENTITY: "【证件号】",
    Kind.PASSPORT: "【护照号】",
    Kind.ACCOUNT: "【账号】",
    Kind.PHONE: "【电话】",
    Kind.QQ: "【QQ号】",
    Kind.WECHAT: "【微信号】",
    Kind.ADDRESS: "【地址】",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of personal data.

    Attributes:
        kind: What it is.
        start: Its first character's place in the text, from 0.
        end: The place after its last character.
    """

    kind: Kind
    start: int
    end: int


def mask(text: str) -> tuple[str, Counter[str]]:
    """The text with each piece of personal data replaced by its mark, and how many by kind.

    Masking a masked text changes nothing.
    """
    counts: Counter[str] = Counter()
    # Again until nothing is left: a mark can bare what its neighbour hid ("a@b.cn" before digits).
    # It ends, since no pattern takes in a mark's 【 or 】, so the text outside marks shrinks.
    while found := find(text):
        counts.update(one.kind for one in found)
        for one in reversed(found):
            text = text[: one.start] + MARKS[one.kind] + text[one.end :]
    return text, counts


def find(text: str) -> list[Found]:
    """The personal data in a text, in order and without overlap."""
    plain = text.translate(_HALF_WIDTH)
    found: list[Found] = []
    for rule in _RULES:
        for match in rule.pattern.finditer(plain):
            start, end = match.span("it")
            apart = all(end <= other.start or other.end <= start for other in found)
            if apart and rule.holds(match["it"]):
                found.append(Found(rule.kind, start, end))
    return sorted(found, key=lambda one: one.start)


def check_character(first_17: str) -> str:
    """The last character of a resident identity number, GB 11643-1999 (ISO 7064 MOD 11-2).

    Args:
        first_17: Its first seventeen digits.
    """
    # The weight of the place i from the right, counting the check character as 1, is 2**(i-1).
    total = sum(
        int(digit) * 2**power for digit, power in zip(first_17, range(17, 0, -1), strict=True)
    )
    return "10X98765432"[total % 11]


def _is_identity(number: str) -> bool:
    """Whether 18 characters hold a real birth date or the right check character, 15 the former.

    Either is enough: a mistyped number still leads to the person.
    """
    number = _bare(number).upper()
    if len(number) == 15:
        return _is_region(number) and _is_date("19" + number[6:12])
    return check_character(number[:17]) == number[17] or (
        _is_region(number) and _is_date(number[6:14])
    )


def _is_region(number: str) -> bool:
    """Whether the first two digits can be a province's (GB/T 2260: 11 to 65, 71, 81 to 83)."""
    first = int(number[:2])
    return 11 <= first <= 65 or first in (71, 81, 82, 83)


def _is_date(digits: str) -> bool:
    try:
        return date.fromisoformat(digits).year >= 1880
    except ValueError:
        return False


def _passes_luhn(number: str) -> bool:
    """Whether a card number's last digit is right, ISO/IEC 7812-1 (Luhn)."""
    digits = [int(digit) for digit in reversed(_bare(number))]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_private_line(number: str) -> bool:
    return re.sub(r"\D", "", number) not in HELP_LINES


def _bare(number: str) -> str:
    return number.replace(" ", "").replace("-", "")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A form of personal data; the group `it` of the pattern is what gets masked."""

    kind: Kind
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool


# One character for one, so that places in the changed text are places in the text.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord(odd): plain for odd, plain in zip("\u3000\xa0—–‐‑−", "  -----", strict=True)
}

# Between groups of digits as people write them.
_GAP = r"[ -]{0,3}"
# A character that can stand in a place name; the others begin a name's sentence ("我住在...").
_NAME = r"[^\W0-9A-Za-z_在到住是去于的了我你他她您]"
_NUMBER = r"[0-9一二三四五六七八九十百零〇]{1,5}(?:[-之][0-9]{1,4})?"
# Roads that are no names ("马路", "走路"), so that a date after them is no house number.
_ROAD = r"(?:(?<![走条这那上马网思出半弯公铁])路|大街|街道?|大道|巷|弄|胡同)"
_ROOM = rf"(?:{_NUMBER}(?:号楼|栋|幢|座|单元|室|层|楼|号(?!线)))"
_DISTRICTS = rf"(?:{_NAME}{{2,8}}?(?:省|自治区))?(?:{_NAME}{{2,7}}?(?:市|自治州|盟))?"

_WECHAT = r"(?:微信|薇信|威信|v信|(?<![A-Za-z])(?:wechat|weixin|wx|vx))"

_RULES = (
    _Rule(
        Kind.EMAIL,
        re.compile(
            r"(?<![\w.%+-])(?P<it>[\w.%+-]+@[A-Z0-9-]+(?:\.[A-Z0-9-]+)*\.[A-Z]{2,})", re.I | re.A
        ),
    ),
    _Rule(
        Kind.IDENTITY,
        re.compile(
            rf"(?<!\d)(?P<it>\d{{6}}{_GAP}\d{{8}}{_GAP}\d{{3}}[\dXx]|\d{{15}})(?![\dA-Za-z])", re.A
        ),
        _is_identity,
    ),
    # Ordinary (E, G), official (P, S), diplomatic (D), Hong Kong and Macao (H, K, M); travel to
    # Hong Kong and Macao (C).
    _Rule(
        Kind.PASSPORT,
        re.compile(
            r"(?<![0-9A-Za-z])(?P<it>[EGDSPHKMC]\d{8}|(?:E[A-Z]|[DPSC][A-Z]|MA)\d{7})"
            r"(?![0-9A-Za-z])",
            re.A,
        ),
    ),
    # Cards begin with 3 to 6 (9: for use within a country), so lists of years are none.
    _Rule(
        Kind.ACCOUNT,
        re.compile(r"(?<!\d)(?P<it>[3-69]\d{3}(?:[ -]?\d){12,15})(?!\d)", re.A),
        _passes_luhn,
    ),
    _Rule(
        Kind.ACCOUNT,
        re.compile(r"(?:卡号|账号|帐号|账户|帐户)[是为: ]{0,3}(?P<it>\d(?:[ -]?\d){5,24})", re.A),
    ),
    # A mobile number, in digits or spelled out.
    _Rule(
        Kind.PHONE,
        re.compile(
            rf"(?<!\d)(?P<it>(?:\+|00)?(?:86{_GAP})?1[3-9]\d"
            rf"(?:{_GAP}\d{{4}}{_GAP}\d{{4}}|{_GAP}\d{{3}}{_GAP}\d{{5}}|\d{_GAP}\d{{3}}{_GAP}\d{{4}}))"
            r"(?!\d)",
            re.A,
        ),
    ),
    _Rule(
        Kind.PHONE,
        re.compile(r"(?P<it>[一幺][三四五六七八九][零〇一幺二三四五六七八九]{9})"),
    ),
    # A landline with its area code; without one only where the text says that it is a telephone.
    _Rule(
        Kind.PHONE,
        re.compile(
            r"(?<!\d)(?P<it>(?:\+86[ -]?)?\(?0(?:10|2[0-57-9]|[3-9]\d{2})\)?[ -]?"
            r"\d{3,4}[ -]?\d{4})(?!\d)",
            re.A,
        ),
        _is_private_line,
    ),
    _Rule(
        Kind.PHONE,
        re.compile(r"(?:电话|座机|手机|传真)号?码?[是为: ]{0,3}(?P<it>[2-8]\d{6,7})(?!\d)", re.A),
        _is_private_line,
    ),
    _Rule(
        Kind.QQ,
        re.compile(
            r"(?:(?<![A-Za-z])QQ|扣扣)(?:号码?|群号?)?[是为: ]{0,3}(?P<it>[1-9]\d{4,11})(?!\d)",
            re.I | re.A,
        ),
    ),
    # Letters alone are taken for an id only after a word that announces one ("微信moments").
    _Rule(
        Kind.WECHAT,
        re.compile(
            rf"{_WECHAT}(?:号码?|id|[是为:])[是为: ]{{0,3}}(?P<it>[A-Z_][\w-]{{5,19}}|\d{{6,12}})",
            re.I | re.A,
        ),
    ),
    _Rule(
        Kind.WECHAT,
        re.compile(rf"加[我个他她]?{_WECHAT}[ ,]{{0,2}}(?P<it>[A-Z_][\w-]{{5,19}})", re.I | re.A),
    ),
    _Rule(
        Kind.WECHAT,
        re.compile(
            rf"{_WECHAT}[ ,]{{0,2}}(?P<it>(?=[A-Z]{{0,18}}[\d_-])[A-Z_][\w-]{{5,19}})", re.I | re.A
        ),
    ),
    # A road and a house number; a housing estate and a building; or districts down to the road.
    _Rule(
        Kind.ADDRESS,
        re.compile(
            rf"(?P<it>{_DISTRICTS}(?:{_NAME}{{1,8}}?{_ROAD} ?{_NUMBER} ?号(?!线)"
            rf"|{_NAME}{{1,8}}?(?:小区|花园|公寓|家园|苑|新村) ?{_ROOM}"
            rf"|{_NAME}{{1,7}}市{_NAME}{{1,6}}?[区县]{_NAME}{{1,6}}?{_ROAD}){_ROOM}{{0,4}})"
        ),
    ),
)
