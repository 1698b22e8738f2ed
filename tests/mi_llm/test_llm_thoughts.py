from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.door.answer import Pieces, ending, outcome
from mi_llm.door.thoughts import Separated, joined, separated

SAID = "你有些犹豫。"


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\n他在犹豫。\n</think>\n\n{SAID}",
        f"他在犹豫。\n</think>\n\n{SAID}",  # the template wrote the opening mark itself
        f"<think>一</think><think>二</think>{SAID}",
        f"<think>一<think>二</think>三</think>{SAID}",
        f"<think>用不用 <think> 呢</think>{SAID}",
        f"<Thinking>他在犹豫。</THINKING>{SAID}",
        f"<thought>他在犹豫。</thought>{SAID}",
        f"<reasoning>他在犹豫。</reasoning>\n{SAID}",
        f"< think >他在犹豫。</ think >{SAID}",
        f'<think budget="200">他在犹豫。</think>{SAID}',
        f"<seed:think>他在犹豫。</seed:think>{SAID}",
        f"＜think＞他在犹豫。＜/think＞{SAID}",
        f"&lt;think&gt;他在犹豫。&lt;/think&gt;{SAID}",
        f"<思考>他在犹豫。</思考>{SAID}",
        f"<内心独白>他在犹豫。</内心独白>{SAID}",
        f"<inner_thoughts>他在犹豫。</inner_thoughts>{SAID}",
        f"<|inner_prefix|>他在犹豫。<|inner_suffix|>{SAID}",
        f"[THINK]他在犹豫。[/THINK]{SAID}",
        f"◁think▷他在犹豫。◁/think▷{SAID}",
        f"<|begin_of_thought|>他在犹豫。<|end_of_thought|>{SAID}",
        f"<|START_THINKING|>他<|END_THINKING|><|START_RESPONSE|>{SAID}<|END_RESPONSE|>",
        f"<think>他在犹豫。</think><answer>{SAID}</answer>",
        f"<think>他在犹豫。</think>\n<answer>\n{SAID}\n",
        "<|channel|>analysis<|message|>He wavers.<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{SAID}<|return|>",
        f"He wavers.<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
        f"analysisHe wavers.assistantfinal{SAID}",
    ],
)
def test_what_is_said_is_told_from_what_is_thought(text):
    assert separated(text) == Separated(SAID, "whole")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>他在", ""),
        ("<think>\n", ""),
        ("<think>一</think><think>二", ""),
        (f"{SAID}<think>再想", SAID),
        ("<|channel|>analysis<|message|>He wav", ""),
        ("analysisHe wav", ""),
        ("[THINK]他", ""),
    ],
)
def test_a_thought_without_an_end_is_cut_off_and_nothing_of_it_is_said(text, said):
    assert separated(text) == Separated(said, "cut off")


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", f"\n{SAID} ", "我 < 3 > 你", "analysis of the week", "<b>好</b>", "a</b>c",
        "我想 think 一下", '{"a": "<3"}',
    ],
)  # fmt: skip
def test_a_text_without_a_mark_is_said_to_the_last_blank(text):
    assert separated(text) == Separated(text, "")


@pytest.mark.parametrize(
    "text", [f"<think>\n\n</think>\n\n{SAID}", f"<think/>{SAID}", f"{SAID}<|end|>"]
)
def test_an_empty_thought_is_none(text):
    assert separated(text) == Separated(SAID, "")


_PLAIN = st.text(st.sampled_from("他想 \n/think|。a{}"), max_size=20)


@given(st.text(min_size=1, max_size=30).filter(str.strip), st.text(max_size=30))
def test_a_thought_that_came_apart_is_told_apart_again(thought, said):
    plain = separated(said)
    if plain.thought or plain.said != said or not separated(joined(thought, "x")).thought:
        return
    assert separated(joined(thought, said)) == Separated(said.strip(), "whole")


@given(_PLAIN, _PLAIN, _PLAIN)
def test_what_is_said_is_what_stands_outside_of_the_marks(before, thought, behind):
    found = separated(f"{before}<think>{thought}</think>{behind}")
    assert found.said == (before + behind).strip()
    assert separated(f"{before}<think>{thought}").said == before.strip()
    assert separated(f"{thought}</think>{behind}").said == behind.strip()


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("stop", "whole"), ("None", "whole"), ("", "whole"), ("null", "whole"), ("eos", "whole"),
        ("end_turn", "whole"), ("STOP", "whole"), ("length", "cut off"), ("MAX_TOKENS", "cut off"),
        ("model_context_window_exceeded", "cut off"), ("content_filter", "refused"),
        ("sensitive", "refused"), ("SAFETY", "refused"), ("network_error", "passing"),
        ("insufficient_system_resource", "passing"), ("abort", "passing"), ("error", "passing"),
        ("tool_calls", "unknown"), ("function_call", "unknown"), ("repetition", "unknown"),
    ],
)  # fmt: skip
def test_what_a_finish_reason_means(reason, meant):
    assert ending(reason) == meant


def text_of(*messages):
    """What `outcome` makes of a message that came in these pieces, and whether it is whole."""
    pieces = Pieces()
    for message in messages:
        pieces.add(message)
    came = outcome(*pieces.whole("stop"))
    return came.said, came.thought, came.ending


@pytest.mark.parametrize(
    "messages",
    [
        [{"content": SAID, "reasoning_content": "想"}],
        [{"content": SAID, "reasoning": "想", "reasoning_content": "想"}],
        [{"content": [{"type": "text", "text": SAID}], "reasoning": [{"text": "想"}]}],
        [{"content": SAID, "reasoning_details": [{"type": "reasoning.text", "text": "想"}]}],
        [{"content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "想"}]},
            {"type": "text", "text": SAID[:2]}, {"type": "text", "text": SAID[2:]},
        ]}],
        [{"reasoning_content": "想"}, {"content": SAID[:2]}, {"content": SAID[2:]}],
        [{"content": "<thi"}, {"content": "nk>想</th"}, {"content": f"ink>{SAID}"}],
        [{"content": "想</think"}, {"content": f">{SAID}"}],
    ],
)  # fmt: skip
def test_a_thought_beside_the_content_or_split_between_pieces_is_none_of_it(messages):
    assert text_of(*messages) == (SAID, "whole", "whole")


@pytest.mark.parametrize(
    ("message", "end"),
    [
        ({"content": [SAID]}, "whole"),
        ({"content": {"type": "text", "text": SAID}}, "whole"),
        ({"content": [{"type": "output_text", "text": SAID}]}, "whole"),
        ({"content": SAID, "tool_calls": []}, "whole"),
        ({"content": SAID, "refusal": ""}, "whole"),
        ({"content": SAID, "tool_calls": [{"id": "1"}]}, "unknown"),
        ({"content": SAID, "function_call": {"name": "f"}}, "unknown"),
        ({"content": [SAID, {"type": "image_url", "image_url": {}}]}, "unknown"),
        ({"content": [SAID, 7]}, "unknown"),
        ({"content": SAID, "refusal": "我不能"}, "refused"),
        ({"content": [SAID, {"type": "refusal", "refusal": "我不能"}]}, "refused"),
    ],
)  # fmt: skip
def test_the_shapes_in_which_content_comes(message, end):
    said, thought, ended = text_of(message)
    assert (said, thought, ended) == (SAID, "", end)


def test_a_thought_alone_is_no_blank_answer_and_named_with_the_option_that_ends_it():
    whole = outcome(joined("想" * 9, ""), "stop")
    cut = outcome(joined("想" * 9, ""), "length")
    assert str(whole.problem).startswith("thinking without an answer: raise --max-tokens")
    assert str(cut.problem).startswith("cut off while thinking: raise --max-tokens")
    assert str(outcome("<think>想", "stop").problem) == cut.problem
    assert '{"chat_template_kwargs": {"enable_thinking": false}}' in str(cut.problem)
    assert outcome("  ", "stop").problem == "blank answer"


def test_parts_that_an_earlier_version_wrote_as_python_shows_them_are_read_back():
    parts = [{"type": "thinking", "thinking": "他在犹豫。"}, {"type": "text", "text": "It's\n好"}]
    came = outcome(str(parts), "stop")
    assert (came.said, came.thought, came.ending) == ("It's\n好", "whole", "whole")
    assert outcome(str(parts[1:]), "length").ending == "cut off"
    assert outcome(str([{"type": "image_url"}]), "stop").ending == "unknown"


@pytest.mark.parametrize("text", ["[{'a' 好}]", "[{'type': f()}]", "[{" + "'" * 9 + "}]"])
def test_what_only_begins_like_parts_stays_as_it_is(text):
    assert outcome(text, "stop").said == text
