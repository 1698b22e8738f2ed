"""Installed versions against requirements and pins."""

from importlib import metadata
from pathlib import Path

import pytest

from mi_llm.errors import InputError
from mi_llm.runs import installed

PINS = Path(__file__).parents[2] / "constraints" / "pins.txt"


def test_requirements_are_told_met_missing_or_of_another_version():
    version = metadata.version("jinja2")
    assert installed.fault(f"jinja2>={version}") is None
    assert installed.fault("jinja2<1") == f"jinja2 is {version}, not <1"
    assert installed.fault("no-such-package-of-ours>=1") == (
        "no-such-package-of-ours is not installed"
    )


def test_the_train_extra_holds_the_pins_of_the_design():
    told = {one.name: str(one.specifier) for one in installed.required("train")}
    assert told["llamafactory"] == "==0.9.3"
    assert told["transformers"] == "==4.52.4"
    assert told["pyarrow"] == "<25"
    assert "pytest" not in told  # another extra's
    assert "pyyaml" in told  # the core's


def test_other_versions_than_pinned_are_named_and_builds_do_not_count(tmp_path):
    version = metadata.version("jinja2")
    path = tmp_path / "pins.txt"
    path.write_text(f"# a comment\njinja2=={version}+cpu\nNumPy==0.1\nno-such-thing==1\n")
    assert installed.pins(path) == {
        "jinja2": f"{version}+cpu", "numpy": "0.1", "no-such-thing": "1",
    }  # fmt: skip
    assert installed.differing(installed.pins(path)) == {"numpy": metadata.version("numpy")}
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="pins no version"):
        installed.pins(path)


def test_the_projects_pins_can_be_read():
    assert installed.pins(PINS)["llamafactory"] == "0.9.3"
