from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm import annomi, personal_data, yaml_file
from mi_llm.personal_data import Found, Kind, find, mask

WRITTEN = yaml_file.read(Path(__file__).with_name("contacts.yaml"))
LATER = [*WRITTEN["later"], *WRITTEN["again"]]
CONTACTS = [(kind, text) for kind, texts in WRITTEN["contacts"].items() for text in texts]
# Amounts are listed so, too.
NOT_YET = "[[177]]，[[1234]]，[[0987]]连起来"


def marked(text: str) -> tuple[str, set[int]]:
    """A text without its [[ ]], and the places of the letters and digits that stood in them."""
    bare, places = "", set()
    for number, part in enumerate(re.split(r"\[\[|\]\]", text)):
        if number % 2:
            places |= {len(bare) + at for at, sign in enumerate(part) if sign.isalnum()}
        bare += part
    return bare, places


def missed(text: str) -> str:
    """What of a text's contacts would be left standing."""
    bare, places = marked(text)
    masked = {place for one in find(bare) for place in range(one.start, one.end)}
    return "".join(bare[place] for place in sorted(places - masked))


# Pieces that touch one another in made-up texts: marks, what bears them, and what hides them.
PIECES = st.lists(
    st.sampled_from(
        [
            *("13800138000", "138 0013 8000", "a.b@qq.com", "11010519491231002X", "QQ", "12345678"),
            *("微信号", "wx_abc123", "电话", "88", "010-", "卡号", "6222021234567890128", " ", "-"),
            *(
                "北京市",
                "朝阳区",
                "建国路",
                "号",
                "【电话】",
                "【QQ号】",
                "E12345678",
                "加",
                "，",
                "Ａ",
                "一",
                "沪A",
                "抖音号",
                "@",
                "尾号",
            ),
        ]
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("打我13800138000", "打我【电话】"),
        ("138 0013 8000", "【电话】"),
        ("139-1234-5678", "【电话】"),
        ("+86 139 1234 5678", "【电话】"),
        ("１３８００１３８０００", "【电话】"),
        ("一三八零零一三八零零零", "【电话】"),
        ("021-12345678转分机", "【电话】转分机"),
        ("（0571）87654321", "【电话】"),
        ("家里电话：62345678", "家里电话：【电话】"),
        ("发到zhang.san@163.com吧", "发到【邮箱】吧"),
        ("ｌｉ＠ｑｑ．ｃｏｍ", "【邮箱】"),
        ("13800138000@139.com", "【邮箱】"),
        ("身份证号11010519491231002X。", "身份证号【证件号】。"),
        ("110105 19491231 002x", "【证件号】"),
        ("老号110105491231002", "老号【证件号】"),
        ("护照E12345678和EA1234567", "护照【护照号】和【护照号】"),
        ("卡号是6222 0212 3456", "卡号是【账号】"),
        ("4539 1488 0343 6467", "【账号】"),
        ("我QQ是12345678", "我QQ是【QQ号】"),
        ("扣扣 987654321", "扣扣 【QQ号】"),
        ("微信号：zhang_san", "微信号：【微信号】"),
        ("加我微信abcdefg", "加我微信【微信号】"),
        ("vx abc12345", "vx 【微信号】"),
        ("住在北京市朝阳区建国路88号3单元501室", "住在【地址】"),
        ("家在幸福小区3栋2单元501室", "家在【地址】"),
        ("江苏省南京市鼓楼区中山北路", "【地址】"),
    ],
)
def test_personal_data_is_masked_and_the_words_around_it_stay(text, masked):
    assert mask(text)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "我今年35岁，1989年生，吸了15年",
        "2024-01-01 12:30，2024年5月6日，20240506",
        "1990 1991 1992 1993，1990-2000",
        "一天20支，两瓶啤酒，每次50mg，体重65.5公斤",
        "拨打110、120或12356，青少年拨12355",
        "希望24热线400-161-9995",
        "北京心理援助热线010-82951332",
        "我坐地铁2号线，走路3号出口，沿着马路15号以前到",
        "微信moments、QQ音乐、微信2011年上线",
        "我在北京市朝阳区工作",
        "圆周率3.14159265358979",
        "喝了3两，血压140-90，心率80",
        "第12345号选手，编号20231105",
    ],
)
def test_ages_dates_doses_and_help_lines_stay(text):
    assert mask(text) == (text, Counter())


def test_the_check_character_is_the_standards():
    # GB 11643-1999, annex A: 1*7+1*9+0*10+1*5+0*8+5*4+1*2+9*1+4*6+9*3+1*7+2*9+3*10+1*5+0*8+0*4+2*2
    # = 167; 167 mod 11 = 2; the table 0 1 2 3 ... -> 1 0 X 9 ... gives X.
    assert personal_data.check_character("11010519491231002") == "X"
    # Another known example, 34052419800101001: 3*7+4*9+0+5*5+2*8+4*4+1*2+9*1+8*6+0+0+1*9+0+1*5+0+0
    # +1*2 = 189; 189 mod 11 = 2, X again. With the last digit 2: 191 mod 11 = 4, which gives 8.
    assert personal_data.check_character("34052419800101001") == "X"
    assert personal_data.check_character("34052419800101002") == "8"


@pytest.mark.parametrize(
    ("number", "is_one"),
    [
        ("11010519491231002X", True),
        ("110105194912310021", True),  # wrong check character, but a birth date
        ("340524999999990015", False),  # neither: no date, and the check character would be 4
        ("991232194913450028", False),
        ("110105491231002", True),
        ("110105491331002", False),  # the 13th month
        ("990105491231002", False),  # no such province
    ],
)
def test_an_identity_number_needs_its_check_character_or_a_birth_date(number, is_one):
    assert (find(number) == [Found(Kind.IDENTITY, 0, len(number))]) is is_one


@pytest.mark.parametrize(
    ("number", "is_one"),
    [
        # By hand, doubling every second digit from the right:
        # 4539148803436467 -> 8+5+6+9+2+4+7+8+0+3+8+3+3+4+3+7 = 80, a multiple of 10.
        ("4539 1488 0343 6467", True),
        ("4539 1488 0343 6468", False),  # sixteen digits in fours may be four amounts
        ("4539148803436468", True),  # in one they are not
        ("6222 0212 3456 7890", True),  # 62 begins a card of UnionPay: a slip of the pen
        ("订单号4539148803436468", False),
    ],
)
def test_a_card_number_in_groups_needs_its_luhn_digit_or_its_issuer(number, is_one):
    assert [one.kind for one in find(number)] == [Kind.ACCOUNT] * is_one


def test_there_are_three_sentences_of_each_of_the_kinds_of_contacts():
    assert len(WRITTEN["contacts"]) == 47
    assert {len(texts) for texts in WRITTEN["contacts"].values()} == {3}


@pytest.mark.parametrize(("kind", "text"), CONTACTS)
def test_a_contact_is_masked_however_it_is_written(kind, text):
    assert not missed(text)


@pytest.mark.parametrize("text", [one for one in LATER if one != NOT_YET])
def test_contacts_written_after_the_rules_are_masked(text):
    assert not missed(text)


def test_three_bare_groups_between_commas_are_not_found_yet():
    assert missed(NOT_YET) == "17712340987"


@pytest.mark.parametrize("text", WRITTEN["ordinary"])
def test_ordinary_numbers_and_names_stay(text):
    assert mask(text) == (text, Counter())


def test_masks_are_counted_by_kind():
    masked, counts = mask("13800138000，a@b.cn，13900139000")
    assert masked == "【电话】，【邮箱】，【电话】"
    assert counts == {"phone": 2, "email": 1}


def test_finds_come_in_order_with_their_places():
    text = "微信号abc_123，电话 138 0013 8000"
    places = [(one.kind.value, text[one.start : one.end]) for one in find(text)]
    assert places == [("wechat", "abc_123"), ("phone", "138 0013 8000")]


@given(PIECES | st.text(max_size=60))
def test_masking_twice_is_masking_once(text):
    once, _ = mask(text)
    assert mask(once) == (once, Counter())


@given(PIECES)
def test_finds_do_not_overlap_and_nothing_is_found_in_a_masked_text(text):
    found = find(text)
    assert all(one.end <= after.start for one, after in pairwise(found))
    assert find(mask(text)[0]) == []


@pytest.mark.real_data
def test_published_dialogues_hold_nothing_to_mask(real_data):
    files = sorted((real_data / "smilechat/data").glob("*.json"))
    files += sorted((real_data / "cpsycound/Data").glob("*.txt"))
    assert len(files) == 120
    assert [path.name for path in files if find(path.read_text("utf-8"))] == []
    sessions = list(annomi.sessions(real_data / "annomi/AnnoMI-full.csv"))
    assert len(sessions) == 133
    said = [turn.content for session in sessions for turn in session.turns]
    assert [text for text in said if find(text)] == []
