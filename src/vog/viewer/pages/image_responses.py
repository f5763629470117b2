"""Pictures of examples and of gradients, and the chart of one example, each at its own address.

No file is sent unchanged: pictures are decoded and encoded again.
"""

import io
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vog.figures.previews import encode_thumbnail
from vog.viewer.context import Site
from vog.viewer.on_demand import InspectedExample
from vog.viewer.pages.example_page import row_in_path

if TYPE_CHECKING:
    from vog.figures.charts import Chart

LARGE = 768
_ALLOWED_SIZES = (240, LARGE)
_MISSING_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120">'
    '<rect width="120" height="120" fill="#8593a1" opacity=".25"/>'
    '<path d="M40 40 80 80M80 40 40 80" stroke="#8593a1" stroke-width="4"/></svg>'
)
# The brightest half a percent of the pixels all get the same, largest brightness.
_BRIGHTEST = 0.995
# From none to much: black, purple, orange, pale yellow (inferno, safe for the colour-blind).
_HEAT = np.array(
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)],
    np.float64,
)
# From negative over zero to positive: blue, white, red-orange.
_SIGNED = np.array([(33, 88, 155), (247, 247, 247), (178, 76, 26)], np.float64)


def picture(site: Site, request: Request) -> Response:
    """Return the picture of an example, in one of two sizes."""
    index, id = row_in_path(site, request.path_params["index"])
    requested = request.query_params.get("size", "")
    size = int(requested) if requested in map(str, _ALLOWED_SIZES) else LARGE
    preview = site.preview(index, id)
    if preview.image is None:
        return Response(_MISSING_SVG, 404, media_type="image/svg+xml")
    content, kind = encode_thumbnail(preview.image, size)
    return Response(content, media_type=kind, headers={"cache-control": "private, max-age=600"})


def gradient_map(site: Site, request: Request) -> Response:
    """Return the VoG map of an example (`spread`), or its gradient at a checkpoint (0, 1, ...)."""
    example, which = _inspected_example(site, request), request.path_params["which"]
    if which == "spread":
        largest = max(float(np.quantile(example.spread, _BRIGHTEST)), 1e-30)
        return _png(_colour_map(example.spread / largest, _HEAT))
    if which not in map(str, range(len(example.steps))):
        raise HTTPException(404)
    # One scale for all checkpoints, so that the pictures show how gradients fade.
    largest = max(float(np.quantile(np.abs(example.gradients), _BRIGHTEST)), 1e-30)
    return _png(_colour_map(example.gradients[int(which)] / largest / 2 + 0.5, _SIGNED))


def trajectory_response(site: Site, request: Request) -> Response:
    """Return the chart of confidence, margin and loss of an example over the checkpoints."""
    from vog.figures import charts  # the import takes 80 MB, and most pages have no chart

    example = _inspected_example(site, request)
    curves = {"confidence": example.confidence, "margin": example.margin, "loss": example.loss}
    series = {name: list(values) for name, values in curves.items() if values is not None}
    stages = site.run.question.get("stages", {})
    stage_spans = {name: (a, b) for name, (a, b) in stages.items() if name != "all"}
    title = f"Row {request.path_params['index']} over training"
    return svg_response(charts.trajectory_chart(list(example.steps), series, title, stage_spans))


def svg_response(chart: "Chart") -> Response:
    """Return a chart as a picture with a transparent background."""
    from vog.figures import charts

    text = charts.chart_svg(chart.properties(background="transparent"))
    return Response(text, media_type="image/svg+xml", headers={"cache-control": "no-store"})


def _inspected_example(site: Site, request: Request) -> InspectedExample:
    index, _ = row_in_path(site, request.path_params["index"])
    example = site.inspected_examples.get(index)
    if example is None:
        raise HTTPException(404)
    return example


def _colour_map(values: Float[np.ndarray, "h w"], scale: Float[np.ndarray, "s 3"]) -> Image.Image:
    """Return values from 0 to 1 as a picture in the colours of a scale."""
    shares = np.clip(np.nan_to_num(values), 0, 1)
    stops = np.linspace(0, 1, len(scale))
    pixels = np.stack([np.interp(shares, stops, scale[:, c]) for c in range(3)], axis=-1)
    return Image.fromarray(pixels.round().astype(np.uint8))


def _png(image: Image.Image) -> Response:
    out = io.BytesIO()
    image.save(out, "PNG")
    return Response(out.getvalue(), media_type="image/png", headers={"cache-control": "no-store"})
