"""`vog.wording`: messages name a setting as the caller wrote it."""

import pytest

from vog.wording import command, for_command_line, option, same_again


@pytest.mark.parametrize(
    ("name", "value", "python", "command_line"),
    [
        ("batch_size", 0, "batch_size=0", "--batch-size 0"),
        ("stages", "early=x", "stages='early=x'", "--stages early=x"),
        ("exif", True, "exif=True", "--exif"),
        ("fold", False, "fold=False", "--no-fold"),
        ("device", None, "device=None", "--device None"),
    ],
)
def test_a_setting_with_its_value(name: str, value: object, python: str, command_line: str) -> None:
    assert option(name, value) == python
    with for_command_line():
        assert option(name, value) == command_line
    assert option(name, value) == python


def test_names_alone() -> None:
    assert (option("model_args"), command("score")) == ("model_args", "`vog.score`")
    assert same_again("score") == "Call `vog.score` with the same arguments again"
    with for_command_line():
        assert (option("model_args"), option("rows_per_part")) == ("--model-arg", "--rows-per-part")
        assert option("form", "ids", flag="--as") == "--as ids"
        assert command("score") == "`vog score`"
        assert same_again("score") == "Run the same `vog score` command again"
