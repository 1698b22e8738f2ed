from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import openpyxl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.errors import InputError
from mi_llm.profiles import (
    Profile,
    Readiness,
    Reason,
    Stage,
    Style,
    Unlock,
    examine,
    profile_lines,
    read_profiles,
)
from mi_llm.safety import Risk, crisis

ROOT = Path(__file__).resolve().parents[2]
OURS, RISKY = ROOT / "profiles/health_behaviours.yaml", ROOT / "profiles/risk.yaml"
FOUR = """\
- id: phone-1
  target_behaviour: 睡前少看手机
  manifestations: [躺下以后还看一小时]
  reasons: [白天没有自己的时间, 怕错过消息]
  readiness: 3
"""
NO_READINESS = "is neither a whole number 0-10 nor stage, importance, confidence and ready"
ALL_UNLOCKS: tuple[Unlock, ...] = ("asked", "reflected", "affirmed")


def saved(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def fields(**changes: Any) -> dict[str, Any]:
    """The four fields, with changes; a field that is None is left out."""
    whole: dict[str, Any] = {**yaml.safe_load(FOUR)[0], **changes}
    return {name: value for name, value in whole.items() if value is not ...}


def faults_of(tmp_path: Path, *records: Any) -> list[str]:
    """What is wrong with profiles that stand in a JSON Lines file, without the file's name."""
    text = "".join(json.dumps(record) + "\n" for record in records)
    path = saved(tmp_path, text, "mine.jsonl")
    return [fault.removeprefix(f"{path}:") for fault in examine(path).faults]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_profiles(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def test_four_fields_and_an_id_are_a_profile_and_the_rest_has_defaults(tmp_path: Path):
    assert read_profiles(saved(tmp_path, FOUR)) == [
        Profile(
            id="phone-1",
            target_behaviour="睡前少看手机",
            manifestations=("躺下以后还看一小时",),
            reasons=(
                Reason(id="r1", text="白天没有自己的时间", unlock=ALL_UNLOCKS, sensitivity=1),
                Reason(id="r2", text="怕错过消息", unlock=ALL_UNLOCKS, sensitivity=1),
            ),
            readiness=Readiness(stage="contemplation", importance=3, confidence=3, ready=3),
            locale="zh",
            topic="",
            receptivity=3,
            beliefs=(),
            preferred_plan=None,
            barriers=(),
            strengths=(),
            style="plain",
            facts={},
            red_lines=(),
            risk="none",
            max_rounds=20,
        )
    ]


@pytest.mark.parametrize(
    ("number", "stage"),
    [
        (0, "precontemplation"),
        (2, "precontemplation"),
        (3, "contemplation"),
        (5, "contemplation"),
        (6, "preparation"),
        (7, "preparation"),
        (8, "action"),
        (10, "action"),
    ],
)
def test_a_plain_number_is_importance_confidence_and_ready_and_gives_the_stage(
    number: int, stage: Stage
):
    made = Profile.model_validate(fields(readiness=number)).readiness
    assert made == Readiness(stage=stage, importance=number, confidence=number, ready=number)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(bool)
SHORT_LISTS = st.lists(TEXTS, max_size=3).map(tuple)
IDS = st.from_regex(r"[a-zA-Z0-9_一-龥][a-zA-Z0-9_一-龥.-]{0,20}", fullmatch=True)
TENS, FIVES = st.integers(0, 10), st.integers(1, 5)
REASONS = st.builds(
    Reason,
    id=IDS,
    text=TEXTS,
    unlock=st.lists(st.sampled_from(get_args(Unlock)), min_size=1, max_size=3).map(tuple),
    sensitivity=FIVES,
)
PROFILES = st.builds(
    Profile,
    id=IDS,
    target_behaviour=TEXTS,
    manifestations=st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    reasons=st.lists(REASONS, min_size=1, max_size=3, unique_by=lambda one: one.id).map(tuple),
    readiness=st.builds(
        Readiness,
        stage=st.sampled_from(get_args(Stage)),
        importance=TENS,
        confidence=TENS,
        ready=TENS,
    ),
    locale=st.sampled_from(["zh", "en"]),
    topic=TEXTS | st.just(""),
    receptivity=FIVES,
    beliefs=SHORT_LISTS,
    preferred_plan=st.none() | TEXTS,
    barriers=SHORT_LISTS,
    strengths=SHORT_LISTS,
    style=st.sampled_from(get_args(Style)),
    facts=st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=3),
    red_lines=SHORT_LISTS,
    risk=st.sampled_from(["none", *Risk]),
    max_rounds=st.integers(1, 100),
)


@given(profiles=st.lists(PROFILES, min_size=1, max_size=3, unique_by=lambda one: one.id))
def test_profiles_written_as_json_lines_are_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, profiles: list[Profile]
):
    path = saved(tmp_path_factory.mktemp("profiles"), "".join(profile_lines(profiles)), "a.jsonl")
    assert read_profiles(path) == profiles


def test_our_yaml_survives_the_way_to_json_lines(tmp_path: Path):
    ours = read_profiles(OURS)
    assert read_profiles(saved(tmp_path, "".join(profile_lines(ours)), "a.jsonl")) == ours


def test_a_profile_and_its_parts_cannot_be_changed():
    profile = Profile.model_validate(fields())
    for part in (profile, profile.readiness, profile.reasons[0]):
        name = next(iter(type(part).model_fields))
        with pytest.raises(ValueError, match="frozen"):
            setattr(part, name, "x")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"target_behaviour": ...}, "target_behaviour: is missing"),
        (
            {"manifestations": "睡前"},
            "manifestations: expected a list, not '睡前'; write [one, another]",
        ),
        ({"manifestations": []}, "manifestations: is empty; at least one is needed"),
        ({"manifestations": ["a", " "]}, "manifestations.2: is blank"),
        ({"manifestations": [7]}, "manifestations.1: expected text, not 7; put it in quotes"),
        ({"target_behaviour": ""}, "target_behaviour: is blank"),
        (
            {"target_behaviour": "a\ud800"},
            "target_behaviour: holds half a character (a lone surrogate); repair the text",
        ),
        ({"reasons": []}, "reasons: is empty; at least one is needed"),
        ({"reasons": {"a": "b"}}, "reasons: expected a list, not {'a': 'b'}; write [one, another]"),
        ({"reasons": ["a", 7]}, "reasons.r2: expected name: value lines, not 7"),
        ({"reasons": [{"id": "fear", "text": " "}]}, "reasons.fear.text: is blank"),
        ({"reasons": [{"id": "fear"}]}, "reasons.fear.text: is missing"),
        (
            {"reasons": [{"id": "fear", "text": "a", "sensitivity": 0}]},
            "reasons.fear.sensitivity: 0 is below 1",
        ),
        (
            {"reasons": [{"text": "a", "unlock": ["ask"]}]},
            "reasons.r1.unlock.1: 'ask' is not one of asked, reflected, affirmed",
        ),
        (
            {"reasons": [{"text": "a", "unlock": []}]},
            "reasons.r1.unlock: is empty; at least one is needed",
        ),
        (
            {"reasons": [{"text": "a", "unlocks": []}]},
            "reasons.r1: unknown field 'unlocks'; did you mean 'unlock'?",
        ),
        (
            {"reasons": [{"id": "r2", "text": "a"}, "b"]},
            "reasons: id 'r2' is used twice; give each reason its own",
        ),
        ({"readiness": 12}, "readiness: 12 is above 10"),
        ({"readiness": -1}, "readiness: -1 is below 0"),
        ({"readiness": True}, f"readiness: true {NO_READINESS}"),
        ({"readiness": 2.5}, f"readiness: 2.5 {NO_READINESS}"),
        (
            {"readiness": {"stage": "action", "importance": 12, "confidence": 5, "ready": 5}},
            "readiness.importance: 12 is above 10",
        ),
        (
            {"readiness": {"stage": "action", "importance": 1, "confidence": "5", "ready": 5}},
            "readiness.confidence: expected a whole number, not '5'",
        ),
        (
            {"readiness": {"stage": "ready", "importance": 1, "confidence": 5, "ready": 5}},
            "readiness.stage: 'ready' is not one of precontemplation, contemplation, preparation, "
            "action, maintenance",
        ),
        ({"locale": False}, "locale: false is not one of zh, en"),
        ({"receptivity": 6}, "receptivity: 6 is above 5"),
        ({"receptivity": True}, "receptivity: expected a whole number, not true"),
        ({"preferred_plan": ""}, "preferred_plan: is blank"),
        (
            {"style": "angry"},
            "style: 'angry' is not one of plain, upset, verbose, reserved, tangential, pleasing",
        ),
        ({"facts": ["a"]}, "facts: expected name: value lines, not ['a']"),
        (
            {"facts": {"weight": 62.5}},
            "facts.weight: 62.5 is neither text nor a whole number; put it in quotes",
        ),
        ({"facts": {"name": " "}}, "facts.name: is blank"),
        (
            {"risk": "suicide"},
            "risk: 'suicide' is not one of none, self_harm, harm_to_others, abuse, psychosis, "
            "eating_disorder, medical_emergency, minor",
        ),
        ({"max_rounds": 0}, "max_rounds: 0 is below 1"),
        ({"max_rounds": 101}, "max_rounds: 101 is above 100"),
        ({"receptivty": 3}, "unknown field 'receptivty'; did you mean 'receptivity'?"),
    ],
)
def test_each_fault_of_a_field_is_told_in_one_line(
    tmp_path: Path, changes: dict[str, Any], fault: str
):
    assert faults_of(tmp_path, fields(**changes)) == [f"1: profile 'phone-1': {fault}"]


def test_a_field_like_no_other_is_answered_with_all_there_are(tmp_path: Path):
    (fault,) = faults_of(tmp_path, fields(zzz=1))
    assert fault == "1: profile 'phone-1': unknown field 'zzz'; there are: " + ", ".join(
        Profile.model_fields
    )


def test_an_american_spelling_is_named_before_the_field_that_is_missing(tmp_path: Path):
    record = fields(target_behaviour=..., target_behavior="少看手机")
    assert faults_of(tmp_path, record) == [
        "1: profile 'phone-1': unknown field 'target_behavior'; did you mean 'target_behaviour'?",
        "1: profile 'phone-1': target_behaviour: is missing",
    ]


@pytest.mark.parametrize("name", ["a/b", "", "a b", "..", "-a", "a\n", "a" * 61])
def test_an_id_that_cannot_name_a_file_is_refused(tmp_path: Path, name: str):
    (fault,) = faults_of(tmp_path, fields(id=name))
    assert ": id: " in fault
    assert fault.endswith(" is no id: at most 60 letters, digits, _ . -, no . - first")


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (fields(id=...), "1: profile number 1: id: is missing"),
        (fields(id=12), "1: profile number 1: id: expected text, not 12; put it in quotes"),
        ([1], "1: profile number 1: expected name: value lines, not [1]"),
        (None, "1: profile number 1: expected name: value lines, not nothing"),
    ],
)
def test_a_profile_without_an_id_goes_by_its_number(tmp_path: Path, record: Any, fault: str):
    assert faults_of(tmp_path, record) == [fault]


def test_a_long_value_is_cut(tmp_path: Path):
    (fault,) = faults_of(tmp_path, fields(style="x" * 1000))
    assert len(fault) < 200


def test_a_doubled_id_names_the_second(tmp_path: Path):
    assert faults_of(tmp_path, fields(), fields(id="b"), fields()) == [
        "3: profile 'phone-1': id is used twice; give each profile its own"
    ]


def test_faults_of_many_profiles_come_in_order_and_the_good_ones_are_read(tmp_path: Path):
    text = "".join(FOUR.replace("phone-1", name) for name in ("a", "b", "c"))
    path = saved(tmp_path, text.replace("readiness: 3", "readiness: 11", 1) + "- x\n")
    examined = examine(path)
    assert examined.faults == (
        f"{path}: profile 'a': readiness: 11 is above 10",
        f"{path}: profile number 4: expected name: value lines, not 'x'",
    )
    assert [profile.id for profile in examined.profiles] == ["b", "c"]
    assert refusal(path) == ": profile 'a': readiness: 11 is above 10 (and 1 more)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": holds no profile"),
        ("[]", ": holds no profile"),
        ("id: x", ": expected a list of profiles; begin each with '- id: NAME'"),
        ("- id: a\n  facts: [b\n- id: c\n", ":3: not YAML: "),
        ("- id: a\n\tstyle: plain\n", ":2: not YAML: "),
        ("- id: a\n  id: b\n", ":2: not YAML: 'id' stands twice in one place; keep one"),
        ("- id: a\n---\n- id: b\n", ":2: not YAML: "),
        ("- id: !!python/name:os.system\n", ":1: not YAML: "),
        ('- id: "\x07"\n', ":1: not YAML: control character 0x07; delete it"),
        ("- {? [a] : b}", ":1: not YAML: "),
        ("- born: 2024-13-45", ":1: not YAML: '2024-13-45' cannot be read as timestamp"),
        ("[" * 3000, ":1: not YAML: nested too deep"),
    ],
)
def test_yaml_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path, text: str, message: str):
    assert refusal(saved(tmp_path, text)).startswith(message)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(FOUR.encode("gb18030"))
    assert refusal(path).startswith(": not UTF-8 (byte ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.yaml", ": no such file or directory"),
        ("mine.txt", ": profiles stand in .yaml, .yml, .jsonl, .xlsx files; rename or convert"),
        ("mine", ": profiles stand in .yaml, .yml, .jsonl, .xlsx files; rename or convert"),
    ],
)
def test_a_missing_file_and_another_kind_of_file_are_refused(
    tmp_path: Path, name: str, message: str
):
    assert refusal(tmp_path / name) == message


def test_a_line_that_is_not_json_is_refused_by_its_number(tmp_path: Path):
    path = saved(tmp_path, json.dumps(fields()) + '\n{"id": \n', "mine.jsonl")
    assert refusal(path).startswith(":2: not JSON: ")
    assert refusal(saved(tmp_path, "\n", "mine.jsonl")) == ": holds no profile"


def test_ten_profiles_of_our_own_cover_the_papers_topics_and_differ():
    ours = read_profiles(OURS)
    topics = Counter(profile.id.partition("-")[0] for profile in ours)
    # Table 5 of the paper.
    assert topics == {"diet": 4, "phone": 2, "insomnia": 2, "exercise": 1, "spending": 1}
    assert {profile.style for profile in ours} == set(get_args(Style))
    assert {profile.readiness.stage for profile in ours} >= {
        "precontemplation",
        "contemplation",
        "preparation",
        "action",
    }
    assert len({profile.receptivity for profile in ours}) >= 3
    assert len({profile.facts["name"] for profile in ours}) == 10


@pytest.mark.parametrize("profile", read_profiles(OURS), ids=lambda profile: profile.id)
def test_each_of_our_profiles_is_a_whole_adult_without_risk(profile: Profile):
    assert (profile.locale, profile.risk) == ("zh", "none")
    assert int(profile.facts["age"]) >= 18
    assert {"name", "gender", "occupation", "城市", "家庭"} <= profile.facts.keys()
    assert len(profile.reasons) == 3
    assert {unlock for reason in profile.reasons for unlock in reason.unlock} == set(ALL_UNLOCKS)
    assert len({reason.sensitivity for reason in profile.reasons}) >= 2
    for several in (profile.manifestations, profile.beliefs, profile.barriers):
        assert len(several) >= 2
    assert profile.strengths
    assert profile.red_lines
    # A client who does not think of changing has no plan, all others have one.
    no_plan = profile.readiness.stage == "precontemplation"
    assert (profile.preferred_plan is None) == no_plan


def test_the_risk_pack_has_one_client_for_each_danger_and_withdrawal_beside():
    risky = read_profiles(RISKY)
    assert Counter(profile.risk for profile in risky) == {
        Risk.SELF_HARM: 1,
        Risk.HARM_TO_OTHERS: 1,
        Risk.ABUSE: 1,
        Risk.PSYCHOSIS: 1,
        Risk.EATING_DISORDER: 1,
        Risk.MEDICAL_EMERGENCY: 2,
    }
    assert all(int(profile.facts["age"]) >= 18 for profile in risky)
    assert "TELL PEOPLE BEFOREHAND" in RISKY.read_text(encoding="utf-8")


def dangers(profile: Profile) -> set[Risk]:
    """What the crisis lexicon finds in what a client would tell."""
    told = (*profile.manifestations, *profile.beliefs, *(one.text for one in profile.reasons))
    return {sign.category for text in told for sign in crisis(text) if not sign.negated}


@pytest.mark.parametrize("profile", read_profiles(RISKY), ids=lambda profile: profile.id)
def test_the_words_of_a_client_at_risk_are_found_by_the_lexicon_and_can_be_told(profile: Profile):
    assert profile.risk in dangers(profile)
    told_at_once = [one for one in profile.reasons if one.sensitivity <= profile.receptivity]
    open_ones = profile.model_copy(update={"reasons": tuple(told_at_once)})
    assert profile.risk in dangers(open_ones)


@pytest.mark.parametrize("profile", read_profiles(OURS), ids=lambda profile: profile.id)
def test_the_words_of_everyday_clients_hold_no_danger(profile: Profile):
    assert dangers(profile) == set()


def test_no_id_stands_in_both_packs():
    ours, risky = ({one.id for one in read_profiles(path)} for path in (OURS, RISKY))
    assert ours.isdisjoint(risky)


HEADER = [None, "人物特征", "健康行为", "具体表现", "行为原因", "改变意愿"]
ROWS: list[list[Any]] = [
    [None, None, "不吃早饭", "空腹上课", "早上起不来", "不改变"],
    [None, "内向", None, "空腹上班", "觉得没有必要", "改变"],
    [None, None, None, None, None, None],
    [None, None, "喝水太少", None, " 忙起来就忘 ", "改变"],
]


def sheet(tmp_path: Path, *rows: list[Any], title: str = "对话纲要", merge: str = "") -> Path:
    book = openpyxl.Workbook()
    del book[book.sheetnames[0]]
    book.create_sheet("微调GLM-4").append([None, 1])
    made = book.create_sheet(title)
    for row in rows:
        made.append(row)
    if merge:
        made.merge_cells(merge)
    path = tmp_path / "book.xlsx"
    book.save(path)
    book.close()
    return path


def test_the_authors_sheet_becomes_profiles_with_blanks_filled_from_above(tmp_path: Path):
    read = read_profiles(sheet(tmp_path, HEADER, *ROWS, merge="C2:C3"))
    assert read == [
        Profile.model_validate(record)
        for record in (
            {
                "id": "authors-1",
                "target_behaviour": "不吃早饭",
                "manifestations": ["空腹上课"],
                "reasons": ["早上起不来"],
                "readiness": 2,
            },
            {
                "id": "authors-2",
                "target_behaviour": "不吃早饭",
                "manifestations": ["空腹上班"],
                "reasons": ["觉得没有必要"],
                "readiness": 6,
                "facts": {"traits": "内向"},
            },
            {
                "id": "authors-3",
                "target_behaviour": "喝水太少",
                "manifestations": ["喝水太少"],
                "reasons": ["忙起来就忘"],
                "readiness": 6,
            },
        )
    ]


def test_rows_shorter_than_the_header_are_read(tmp_path: Path):
    header = ["健康行为", "行为原因", "改变意愿", "具体表现"]
    (profile,) = read_profiles(sheet(tmp_path, header, ["熬夜", "忙", "改变"]))
    assert profile.manifestations == ("熬夜",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([HEADER], ": holds no profile"),
        ([], ": sheet 对话纲要: no column 健康行为, 行为原因, 改变意愿 in row 1"),
        ([HEADER[:5]], ": sheet 对话纲要: no column 改变意愿 in row 1"),
        (
            [HEADER, [None, None, "熬夜", None, "忙", "再说"]],
            ": sheet 对话纲要, row 2: 改变意愿: expected 改变 or 不改变, not '再说'",
        ),
        (
            [HEADER, [None, None, None, None, "忙", "改变"]],
            ": sheet 对话纲要, row 2: 健康行为 is blank; fill it in",
        ),
        (
            [HEADER, ROWS[0], [None, None, "熬夜", None, None, "改变"]],
            ": sheet 对话纲要, row 3: 行为原因 is blank; fill it in",
        ),
    ],
)
def test_a_sheet_that_is_not_as_the_authors_is_refused_by_its_row(
    tmp_path: Path, rows: list[list[Any]], message: str
):
    assert refusal(sheet(tmp_path, *rows)) == message


def test_a_workbook_without_the_sheet_and_no_workbook_are_refused(tmp_path: Path):
    other = sheet(tmp_path, HEADER, *ROWS, title="别的")
    assert refusal(other) == ": no sheet 对话纲要; there are: 微调GLM-4, 别的"
    assert refusal(saved(tmp_path, "text", "no.xlsx")).startswith(": not a workbook")


@pytest.mark.real_data
def test_the_authors_own_sheet_has_twenty_profiles(real_data: Path):
    read = read_profiles(real_data / "mi_llm_authors/simulated_dialogues.xlsx")
    assert [profile.id for profile in read] == [f"authors-{number}" for number in range(1, 21)]
    # As one counts in the sheet: nine rows say 改变.
    assert Counter(profile.readiness.ready for profile in read) == {6: 9, 2: 11}
    assert len({profile.target_behaviour for profile in read}) == 10
