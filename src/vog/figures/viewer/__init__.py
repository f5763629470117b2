"""A local page for every row of a run: sort, filter, look, and decide."""

from vog.figures.viewer.app import application as application
from vog.figures.viewer.server import serve as serve
