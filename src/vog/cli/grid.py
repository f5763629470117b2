"""The command that draws the easiest and the hardest images of a run."""

from pathlib import Path
from typing import Annotated

import typer

from vog.cli import options
from vog.cli.run_options import Classes, RunFolder, open_named_run


def grid(
    run: RunFolder,
    out: Annotated[Path, options.output("The picture to write: .png, .jpg, ...")],
    by: Annotated[
        str | None, typer.Option(help="A score column. Default: vog@all:class, as for `vog top`.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Only this class, by name or number. Default: all of them together."),
    ] = None,
    classes: Classes = None,
    root: Annotated[
        Path | None, typer.Option(help="Where the image files are, if they have moved.")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, max=20, help="Columns of each grid.")] = 5,
) -> None:
    r"""Draw the easiest images of a class on the left and the hardest on the right.

    Below each image is what the last checkpoint of the stage predicts, in red where it is wrong.

    Example:
      vog grid scores/a --label magpie --by vog@late:class --out magpie.png
    """
    from vog.figures import class_grid
    from vog.figures import image_grid as grids

    image = class_grid.class_grid(open_named_run(run, classes), by, label, root, columns)
    grids.save_grid(image, out)
    typer.echo(f"{out}: {image.width} x {image.height} pixels")
