"""The flags of `vog export`: the options of all forms, which are imported when it is called."""

import inspect
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand
from typer.main import get_command

if TYPE_CHECKING:
    from typer import Context

    from vog.exports.form import FormOption
else:  # Typer passes an object of the class that its own derives from
    Context = typer.Context.__base__


class FormsCommand(TyperCommand):
    """A command with a flag for each option of a form; their values are its `context.obj`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the function, the flags of the forms, and `--help`."""
        parameters: list[Any] = super().get_params(ctx)
        for parameter in parameters:
            if parameter.name == "form":
                parameter.help = _help_of_formats()
        count = len(self.params)
        return [*parameters[:count], *_flags(), *parameters[count:]]

    def invoke(self, ctx: Any) -> Any:
        """Call the function without the flags of the forms."""
        from vog.exports.registry import flag_options

        ctx.obj = {choice.name: ctx.params.pop(choice.name) for choice in flag_options()}
        return super().invoke(ctx)


def options_of_flags(values: dict[str, Any]) -> dict[str, Any]:
    """Return the flags that are set as options of `vog.export`.

    Raises:
        ResultError: a value cannot be parsed, such as a folder without a record of planting.
    """
    from vog.exports.registry import flag_options

    options: dict[str, Any] = {}
    for choice in flag_options():
        value = values[choice.name]
        if choice.kind is not None and value is not None and value is not False:
            value = choice.kind(value)
            options[choice.name] = value if choice.parse is None else choice.parse(value)
    return options


def _flags() -> list[Any]:
    """Return the flags of all forms, as Typer makes them from a function."""
    from vog.exports.registry import flag_options

    def take_options(**values: Any) -> None:
        """Typer reads the signature only."""

    cast(Any, take_options).__signature__ = inspect.Signature(
        [_parameter(choice) for choice in flag_options()]
    )
    app = typer.Typer(add_completion=False)
    app.command()(take_options)
    return list(get_command(app).params)


def _parameter(choice: "FormOption") -> inspect.Parameter:
    """Return the parameter of a Python function that Typer turns into the flag of an option."""
    flag = f"--{choice.name.replace('_', '-')}"
    is_switch = choice.kind is bool
    return inspect.Parameter(
        choice.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if is_switch else None,
        annotation=Annotated[
            bool if is_switch else cast(Any, choice.kind) | None,
            typer.Option(flag, help=choice.help, min=choice.minimum),
        ],
    )


def _help_of_formats() -> str:
    """Return the help of `--format`, with the names and the endings of all forms."""
    from vog.exports.registry import FORMS

    *names, last = [form.name for form in FORMS.values() if form.is_plain]
    tools = ", ".join(
        f"{form.name} ({' and '.join(form.endings)}{f', for {form.reader}' if form.reader else ''})"
        for form in FORMS.values()
        if not form.is_plain
    )
    return (
        f"{', '.join(names)} or {last} for the rows as they are; or for a tool: {tools}. "
        f"Default: by the ending of the file."
    )
