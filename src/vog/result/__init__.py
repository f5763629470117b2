"""A folder of Parquet parts and the question they answer. Nothing here knows a tensor."""

from vog.result.run import FORMATS as FORMATS
from vog.result.run import Run as Run
from vog.result.run import open_run as open_run
