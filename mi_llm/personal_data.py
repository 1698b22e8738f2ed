"""Personal data in Chinese text: found by form, and masked before anything leaves the machine.

Found: telephone numbers, e-mail addresses, resident identity card and passport numbers, numbers of
students and patients, bank cards and accounts, QQ numbers, WeChat ids and names on other services,
plates, numbers of meetings, and street addresses down to a house number. They are found as people
write them: digits apart or in Chinese, signs in words, services under their nicknames. Not found:
names, schools and employers, which have no form of their own; a person has to look for those.

Help stays: short numbers (110, 120, 12356), 400 and 800 numbers and the lines in `HELP_LINES`.

    >>> mask("我的手机是 138 0013 8000，撑不住就打12356")
    ('我的手机是 【电话】，撑不住就打12356', Counter({<Kind.PHONE: 'phone'>: 1}))
"""

from __future__ import annotations

import re
import unicodedata
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
    PLATE = "plate"
    MEETING = "meeting"
    QQ = "qq"
    WECHAT = "wechat"
    ADDRESS = "address"


MARKS = {
    Kind.EMAIL: "【邮箱】",
    Kind.IDENTITY: "【证件号】",
    Kind.PASSPORT: "【护照号】",
    Kind.ACCOUNT: "【账号】",
    Kind.PHONE: "【电话】",
    Kind.PLATE: "【车牌号】",
    Kind.MEETING: "【会议号】",
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
        _add(found, rule, plain)
    digits = plain.translate(_DIGITS)  # last: "13912345678一定接" must end before the 一
    if digits != plain:
        for rule in _RULES:
            if rule.spoken:
                _add(found, rule, digits)
    return sorted(found, key=lambda one: one.start)


def _add(found: list[Found], rule: _Rule, text: str) -> None:
    for match in rule.pattern.finditer(text):
        start, end = match.span("it")
        apart = all(end <= other.start or other.end <= start for other in found)
        if apart and rule.holds(match):
            found.append(Found(rule.kind, start, end))


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


def _is_identity(match: re.Match[str]) -> bool:
    """Whether it is an identity number: 18 characters, 15 as before 1999, or the first 14.

    Either a birth date or the right check character is enough: a mistyped number still leads to the
    person. One in groups needs the date: eighteen scores in a row may well have the character.
    """
    number = _bare(match["it"]).upper()
    if len(number) == 15:
        return _is_region(number) and _is_date("19" + number[6:12])
    dated = _is_region(number) and _is_date(number[6:14])
    whole = len(match["it"]) == 18 or match["it"].count(" ") in (1, 2)
    return dated or (len(number) == 18 and whole and check_character(number[:17]) == number[17])


def _is_region(number: str) -> bool:
    """Whether the first two digits can be a province's (GB/T 2260: 11 to 65, 71, 81 to 83)."""
    first = int(number[:2])
    return 11 <= first <= 65 or first in (71, 81, 82, 83)


def _is_date(digits: str) -> bool:
    try:
        return date.fromisoformat(digits).year >= 1880
    except ValueError:
        return False


def _is_card(match: re.Match[str]) -> bool:
    """Whether it is a card: written in one, of UnionPay (62), named, or by its check digit.

    ISO/IEC 7812-1 (Luhn): every second digit from the right doubled, the sum a multiple of ten.
    """
    number = _bare(match["it"])
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    checked = (sum(digits[::2]) + sum(doubled)) % 10 == 0
    before = match.string[max(0, match.start("it") - 10) : match.start("it")]
    if _PARCEL.search(before):
        return False
    return checked or match["it"] == number or number.startswith("62") or "卡" in before


def _is_mobile(match: re.Match[str]) -> bool:
    """Whether eleven digits in pieces are a telephone number, and no scores or amounts.

    In the groups that people say them in; in other groups behind a word that announces a number.
    Eleven single digits are answers to a scale unless they are of more kinds than it has.
    """
    if re.match(rf"1[ -]{_FREE}[ -]", match["it"]):
        return False
    before = match.string[max(0, match.start("it") - 12) : match.start("it")]
    if _ANNOUNCED.search(before):
        return True
    groups = re.findall(r"[^\W_]+", match["it"])
    if all(len(group) == 1 for group in groups):
        return len(set(groups)) > 5 and not re.search(r"[.,、]", match["it"])
    written = match["it"].replace("、", ",")
    amounts = written.isascii() and "," in written  # in Chinese digits nobody lists amounts so
    return [len(group) for group in groups] in _GROUPS and not amounts


def _is_private_line(match: re.Match[str]) -> bool:
    return re.sub(r"\D", "", match["it"]) not in HELP_LINES


def _bare(number: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", number)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A form of personal data.

    Attributes:
        kind: What it is.
        pattern: Its form; the group `it` is what gets masked.
        holds: What else must be true.
        spoken: Whether its digits may be Chinese ones, or circled, raised and so on.
    """

    kind: Kind
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = bool
    spoken: bool = False


# One character for one, so that places in the changed text are places in the text.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord(odd): plain for odd, plain in zip("\u3000\xa0—–‐‑−。", "  -----.", strict=True)
}
# Digits in any other dress: Chinese, formal, circled, raised, bold.
_DIGITS = {
    code: str(int(digit))
    for code in (*range(0x2070, 0x2090), *range(0x2460, 0x2800), *range(0x1D7CE, 0x1D800))
    if (digit := unicodedata.digit(chr(code), None)) is not None
} | {
    ord(odd): str(place)
    for row in ("零一二三四五六七八九", "〇壹贰叁肆伍陆柒捌玖", "○幺")
    for place, odd in enumerate(row)
}

# Between groups of digits as people write them, and between single ones.
_GAP = r"[ -]{0,3}"
_APART = r"[ \-.·•…,、/_*~\u200b-\u200d\ufe0f\u20e3]{0,3}"
_GROUPS = ([11], [3, 4, 4], [4, 3, 4], [3, 3, 5], [3, 8], [7, 4], [4, 4, 3], [3, 3, 3, 2])
_ANNOUNCED = re.compile(
    r"(?:号|手机|电话|联系|[打拨](?!分)|短信|tel|phone|call)[^\d.!?\n]{0,6}$", re.I
)
_FREE = r"8(?:00|33|44|55|66|77|88)"  # what numbers begin with that cost nothing to call
_PARCEL = re.compile(r"(?:单号|订单|快递|运单|流水|编号)[^\d]{0,4}$")
_IS = r"[是为叫就: ]{0,4}"
_NUMBERED = r"(?:号码?|id|uid|账号|帐号|用户名|昵称|名)"
# An id on some service: letters and digits, or letters where they were announced, or many digits
# that count nothing.
_UNIT = r"(?! ?[多个余人条次块元步名位粉斤岁年月天万千百kKwW%])"
_ID = r"@?[A-Z_](?:[\w-]|\.(?=\w)){3,29}"
_MIXED = rf"(?=@?[\w.-]*\d){_ID}"
_LONG = rf"\d(?:[ -]?\d){{5,11}}(?!\d){_UNIT}"

# A character that can stand in a place name; the others begin a name's sentence ("我住在...").
_NAME = r"[^\W0-9A-Za-z_在到住是去于的了我你他她您]"
_NUMBER = r"[0-9一二三四五六七八九十百零〇]{1,5}(?:[-之][0-9]{1,4})?"
# Roads that are no names ("马路", "走路"), so that a date after them is no house number.
_ROAD = (
    r"(?:(?<![走条这那上马网思出半弯公铁])路|大街|街道?|大道|巷|弄|胡同)"
    r"(?:[东西南北中]?[一二三四五六七八九十]段)?"
)
_ROOM = (
    rf"(?: ?{_NUMBER} ?(?:号院|号楼|栋|幢|座|单元|室|层|楼|号(?!线))|(?<=[栋幢座元楼])\d{{3,4}})"
)
_DISTRICTS = rf"(?:{_NAME}{{2,8}}?(?:省|自治区))?(?:{_NAME}{{2,7}}?(?:市|自治州|盟))?"

_WECHAT = (
    r"(?:[微威薇徽围维][信❤♥x]\ufe0f?|(?<![A-Za-z])v[信❤♥]\ufe0f?|绿泡泡?|绿信|绿色软件"
    r"|[加➕+] ?我?(?:卫星|🛰|个?[微威薇])"
    r"|(?<![A-Za-z])(?:wechat|wei ?xin|wx|vx))"
)
_PLUS_V = r"(?:(?<![A-Za-z\d])[+➕]|加|(?<![A-Za-z\d])(?=v ?:)) ?[我个下]{0,2}v(?![A-Za-z]{1,3}\b)"
_QQ = r"(?:(?<![A-Za-z])QQ|扣扣|叩叩|企鹅|球球|丘丘|秋秋)"
_SERVICE = (
    r"(?:抖音|快手|小?红[书薯]|微博|围脖|[b哔]站|哔哩哔哩|知乎|豆瓣|贴吧|邮箱|钉钉|飞书|企业微信|陌陌|探探|支付宝"
    r"|推特|脸书|电报|(?<![A-Za-z])(?:bilibili|weibo|xhs|telegram|whats ?app|skype|facebook"
    r"|instagram|twitter|snapchat|discord|tiktok|soul|line|steam|tg|ins|dy)(?![A-Za-z]))"
)
_AT = r"(?:@|#|艾特|圈a|[(\[{<] ?(?:at|a|艾特) ?[)\]}>])"
_DOT_WORD = r"(?:点|[(\[{<] ?(?:dot|点) ?[)\]}>]|(?<= )dot(?= ))"
_MAIL = r"(?:126|163|139|189|qq|foxmail|gmail|outlook|hotmail|sina|sohu|yeah|icloud|yahoo|aliyun)"
_TLD = r"(?:com|cn|net|org|edu|gov|hk|tw|me|io|cc|uk|jp)"
_PROVINCE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PAPER = (
    r"(?:学|学籍|考|准考证|工|警|病历|住院|门诊|就诊卡?|病案|档案|社保卡?|医保卡?|驾驶证|驾照)号码?"
)

_RULES = (
    _Rule(
        Kind.EMAIL,
        re.compile(
            r"(?<![\w.%+-])(?P<it>[\w.%+-]+@[A-Z0-9-]+(?:\.[A-Z0-9-]+)*\.[A-Z]{2,})", re.I | re.A
        ),
    ),
    _Rule(
        Kind.EMAIL,
        re.compile(
            rf"(?<![\w.%+-])(?P<it>[\w.%+-]{{3,}} ?"
            rf"(?:{_AT} ?(?:[A-Z0-9-]+ ?(?:\.|{_DOT_WORD}) ?){{1,3}}"
            rf"|(?<= )at (?:[A-Z0-9-]+ ?{_DOT_WORD} ?|{_MAIL} ?\. ?))"
            rf"{_TLD}(?: ?{_DOT_WORD} ?cn)?)(?![A-Z0-9])",
            re.I | re.A,
        ),
    ),
    _Rule(
        Kind.IDENTITY,
        re.compile(
            rf"(?<![\dA-Za-z])(?<!\d[.])(?P<it>\d(?:{_APART}\d){{16}}{_APART}[\dXx]"
            rf"|\d{{14,15}})(?![\dA-Za-z])",
            re.A,
        ),
        _is_identity,
        spoken=True,
    ),
    _Rule(
        Kind.IDENTITY,
        re.compile(
            rf"(?:身份证|证件)(?:号码?)?{_IS}"
            r"(?P<it>\d(?:[ \-.]{0,2}\d){13,16}[ \-.]{0,2}[\dX])(?![\dA-Z])",
            re.I | re.A,
        ),
    ),
    _Rule(
        Kind.IDENTITY, re.compile(rf"{_PAPER}{_IS}(?P<it>[A-Z]{{0,4}}-?\d{{4,20}})", re.I | re.A)
    ),
    _Rule(
        Kind.ACCOUNT,
        re.compile(
            rf"(?:尾号|[证卡]号?码?的?[后末].位){_IS}(?P<it>\d{{3,5}}[\dX])(?![\dA-Z])", re.I | re.A
        ),
    ),
    _Rule(
        Kind.IDENTITY,
        re.compile(
            r"\b(?:ssn|social security)\b[^\d\n]{0,16}(?P<it>\d{3}[ -]?\d{2}[ -]?\d{4})(?!\d)",
            re.I | re.A,
        ),
    ),
    # The page of a person.
    _Rule(
        Kind.ACCOUNT,
        re.compile(
            r"(?<![\w.])(?P<it>(?:https?://)?(?:www\.)?(?:(?:t|wa|line)\.me|(?:instagram|facebook"
            r"|twitter|tiktok|weibo|linkedin)\.com(?:/(?:u|n|in))?)/(?:~|@)?[\w.+-]{3,30})",
            re.I | re.A,
        ),
    ),
    _Rule(Kind.IDENTITY, re.compile(r"(?P<it>[军兵士文武海空][字]第? ?\d{5,9}号?)", re.A)),
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
    _Rule(
        Kind.PASSPORT,
        re.compile(
            rf"(?:护照|通行证|台胞证|回乡证)(?:号码?)?{_IS}"
            r"(?P<it>[A-Z]{0,2}(?: ?\d){7,10})(?!\d)",
            re.I | re.A,
        ),
    ),
    _Rule(
        Kind.PLATE,
        re.compile(
            rf"(?P<it>[{_PROVINCE}] ?[A-HJ-Z][ ·•.-]{{0,2}}(?=[A-Z]{{0,4}}\d)[A-HJ-NP-Z0-9]{{4,5}}"
            r"[A-HJ-NP-Z0-9挂学警港澳])(?![A-Z0-9])",
            re.I | re.A,
        ),
    ),
    _Rule(
        Kind.MEETING,
        re.compile(
            r"(?:会议|入会|zoom|meeting)(?:号码?|id| ?id)?[是为: ]{0,3}"
            r"(?P<it>\d{3}[ -]?\d{3,4}[ -]?\d{3,4})(?!\d)",
            re.I | re.A,
        ),
    ),
    _Rule(
        Kind.ACCOUNT,
        re.compile(
            r"(?:密码|口令|入会码)[是为: ]{0,3}(?P<it>(?=[A-Z]*\d)[A-Z\d]{4,20})", re.I | re.A
        ),
    ),
    # A mobile number, in digits or spelled out.
    _Rule(
        Kind.PHONE,
        re.compile(
            rf"(?<!\d)(?P<it>(?:\+|00)?(?:86\)?{_GAP})?1[3-9]\d"
            rf"(?:{_GAP}\d{{4}}{_GAP}\d{{4}}|{_GAP}\d{{3}}{_GAP}\d{{5}}|\d{_GAP}\d{{3}}{_GAP}\d{{4}}))"
            r"(?!\d)",
            re.A,
        ),
        spoken=True,
    ),
    _Rule(
        Kind.PHONE,
        re.compile(
            rf"(?<![\d零〇一二三四五六七八九点])(?P<it>[一幺]{_APART}[三四五六七八九]"
            rf"(?:{_APART}[零〇一幺二三四五六七八九]){{9}})(?![零〇一幺二三四五六七八九]{{2}})"
        ),
        _is_mobile,
    ),
    _Rule(
        Kind.PHONE,
        re.compile(
            rf"(?<!\d)(?<!\d[ .,、/点-])(?P<it>1{_APART}[3-9](?:{_APART}\d){{9}})"
            r"(?!\d)(?![.,、/-]?\d)",
            re.A,
        ),
        _is_mobile,
        spoken=True,
    ),
    _Rule(
        Kind.PHONE,
        re.compile(
            r"(?:号|手机|电话|前三位|前面)[^\d\n.]{0,6}(?P<it>1[3-9]\d"
            r"(?:(?![次个元块分天年月斤条人])[^\d\n【】]){1,8}\d{4}[ -]?\d{4})(?!\d)",
            re.A,
        ),
    ),
    # Abroad; then a landline with its area code; without one only where the text says that it is a
    # telephone.
    _Rule(
        Kind.PHONE,
        re.compile(
            r"(?<!\d)(?<!\d[ -])(?P<it>(?:\+|00)(?!86)[1-9]\d{0,2}(?:[ .()-]{0,2}\d){6,12}"
            r"|\(\d{3}\) ?\d{3}-\d{4}"
            rf"|(?<!\d-)(?!400|{_FREE})[2-9]\d{{2}}([.-])\d{{3}}\2\d{{4}})(?![\d-])",
            re.A,
        ),
    ),
    _Rule(
        Kind.PHONE,
        re.compile(
            r"(?<!\d)(?<!\d[.])(?P<it>(?:\+86[ -]?)?\(?0(?:10|2[0-57-9]|[3-9]\d{2})\)?[ -]{0,2}"
            r"\d{3,4}[ -]?\d{4}(?:(?: ?转(?:分机)? ?|-)\d{1,6})?)(?!\d)",
            re.A,
        ),
        _is_private_line,
        spoken=True,
    ),
    _Rule(
        Kind.PHONE,
        re.compile(
            r"(?:电话|座机|固话|手机|传真)号?码?[是为: ,]{0,3}"
            rf"(?P<it>[2-8]\d{{2,3}}[ -]?\d{{4}})(?!\d){_UNIT}",
            re.A,
        ),
        _is_private_line,
        spoken=True,
    ),
    # Cards begin with 3 to 6 (9: for use within a country), so lists of years are none.
    _Rule(
        Kind.ACCOUNT,
        re.compile(r"(?<!\d)(?<!\d[.])(?P<it>[3-69]\d{3}(?:[ -]?\d){12,15})(?!\d)", re.A),
        _is_card,
        spoken=True,
    ),
    _Rule(
        Kind.ACCOUNT,
        re.compile(
            rf"(?:卡号|账号|帐号|账户|帐户|存折号){_IS}(?P<it>\d(?:[ -]?\d){{5,24}})(?!\d){_UNIT}",
            re.A,
        ),
        spoken=True,
    ),
    _Rule(
        Kind.QQ,
        re.compile(
            rf"{_QQ}(?:号码?|群号?)?{_IS}"
            rf"(?P<it>[1-9](?:[ -]?\d){{5,10}}|[1-9]\d{{4,11}})(?!\d){_UNIT}",
            re.I | re.A,
        ),
        spoken=True,
    ),
    _Rule(
        Kind.QQ,
        re.compile(
            rf"(?:(?<![A-Za-z])Q ?(?::|号|(?=\d{{8}}))|扣(?=\d{{8}})|群号?码?){_IS}"
            rf"(?P<it>[1-9]\d(?:[ -]?\d){{4,9}})(?!\d){_UNIT}",
            re.I | re.A,
        ),
    ),
    _Rule(
        Kind.WECHAT,
        re.compile(
            rf"{_PLUS_V}(?:[:信, ]{{1,3}}(?=[A-Z_\d])|(?=[A-Z_-]*\d))(?P<it>[\w-]{{6,20}})",
            re.I | re.A,
        ),
    ),
    # Letters alone are taken for an id only after a word that announces one ("微信moments").
    _Rule(
        Kind.WECHAT,
        re.compile(
            rf"{_WECHAT} ?(?:号码?|id|[是为:])[是为: ]{{0,3}}"
            rf"(?P<it>[A-Z_][\w-]{{5,19}}|\d{{6,12}})",
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
    _Rule(
        Kind.ACCOUNT,
        re.compile(
            rf"{_SERVICE} ?(?:{_NUMBERED}|[是为叫:]){_IS}(?P<it>{_ID}|{_LONG})", re.I | re.A
        ),
    ),
    _Rule(
        Kind.ACCOUNT, re.compile(rf"{_SERVICE}[ ,]?(?:搜索?|找)? ?(?P<it>{_MIXED})", re.I | re.A)
    ),
    _Rule(Kind.ACCOUNT, re.compile(rf"{_SERVICE}[^@\n]{{0,4}}(?P<it>@\w{{2,20}})", re.I)),
    # A road and a house number; a housing estate and a building; or districts down to the road.
    _Rule(
        Kind.ADDRESS,
        re.compile(
            rf"(?P<it>{_DISTRICTS}(?:{_NAME}{{1,8}}?{_ROAD} ?(?:{_NUMBER} ?弄 ?)?{_NUMBER} ?号"
            rf"(?!线)院?"
            rf"|(?<![A-Za-z\d])(?:[东西南北中]区|宿舍|寝室|公寓) ?\d{{1,3}} ?[栋幢舍号]楼? ?"
            rf"\d{{3,4}}(?!\d)"
            rf"|{_NAME}{{1,8}}?(?:小区|花园|公寓|家园|苑|新村) ?{_ROOM}"
            rf"|{_NAME}{{1,7}}市{_NAME}{{1,6}}?[区县]{_NAME}{{1,6}}?{_ROAD}){_ROOM}{{0,4}})"
        ),
    ),
)
