"""Exports of a run for other tools: `export` and one module for each form."""

from vog.exports.hugging_face import add_columns as add_columns
from vog.exports.registry import FORMATS as FORMATS
from vog.exports.registry import export as export
from vog.exports.sample_weights import sample_weight as sample_weight
