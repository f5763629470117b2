"""Data of any kind, read as batches of examples with stable ids."""

from vog.data.batches import Batch as Batch
from vog.data.batches import batches as batches
from vog.data.batches import default_workers as default_workers
from vog.data.batches import read_batch as read_batch
from vog.data.batches import samples as samples
from vog.data.examples import UNLABELLED as UNLABELLED
from vog.data.examples import Examples as Examples
from vog.data.images import drafted as drafted
from vog.data.sources import TransformSpec as TransformSpec
from vog.data.sources import open_source as open_source
