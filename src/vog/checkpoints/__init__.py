"""Files of weights: found, put in training order, read safely, cut into stages."""

from vog.checkpoints.contents import named_in as named_in
from vog.checkpoints.digest import weights_digest as weights_digest
from vog.checkpoints.discovery import CheckpointFile as CheckpointFile
from vog.checkpoints.discovery import CheckpointSearch as CheckpointSearch
from vog.checkpoints.discovery import find_checkpoints as find_checkpoints
from vog.checkpoints.discovery import search as search
from vog.checkpoints.read_checkpoint import Contents as Contents
from vog.checkpoints.read_checkpoint import read_weights as read_weights
from vog.checkpoints.reader import Reader as Reader
from vog.checkpoints.reader import ReadSpec as ReadSpec
from vog.checkpoints.reader import refuse_mixed as refuse_mixed
from vog.checkpoints.stages import Stage as Stage
from vog.checkpoints.stages import StagesSpec as StagesSpec
from vog.checkpoints.stages import cut as cut
from vog.checkpoints.stages import pick as pick
from vog.checkpoints.stages import segments as segments
