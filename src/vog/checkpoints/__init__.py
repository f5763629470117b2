"""Files of weights: found, put in training order, read safely, cut into stages."""

from vog.checkpoints.files import CheckpointFile as CheckpointFile
from vog.checkpoints.files import find as find
from vog.checkpoints.read import digest as digest
from vog.checkpoints.read import read as read
from vog.checkpoints.stages import Stage as Stage
from vog.checkpoints.stages import StagesSpec as StagesSpec
from vog.checkpoints.stages import cut as cut
from vog.checkpoints.stages import pick as pick
from vog.checkpoints.stages import segments as segments
