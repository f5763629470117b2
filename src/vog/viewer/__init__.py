"""The viewer: local pages that sort, filter, show and mark the rows of a run."""

from vog.viewer.app import application as application
from vog.viewer.server import serve as serve
