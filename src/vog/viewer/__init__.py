"""A local page for every row of a run: sort, filter, look, and decide."""

from vog.viewer.app import application as application
from vog.viewer.server import serve as serve
