"""Run folders: Parquet parts and the question that they answer. No module here imports torch."""

from vog.result.run import FORMATS as FORMATS
from vog.result.run import Run as Run
from vog.result.run import open_run as open_run
