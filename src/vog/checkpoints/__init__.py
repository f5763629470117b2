"""Checkpoint files: find them, put them in training order, read them safely, cut stages."""

from vog.checkpoints.checkpoint_folders import has_known_name as has_known_name
from vog.checkpoints.contents import stand_in_name as stand_in_name
from vog.checkpoints.digest import weights_digest as weights_digest
from vog.checkpoints.discovery import CheckpointFile as CheckpointFile
from vog.checkpoints.discovery import CheckpointSearch as CheckpointSearch
from vog.checkpoints.discovery import find_checkpoints as find_checkpoints
from vog.checkpoints.discovery import search as search
from vog.checkpoints.read_checkpoint import Contents as Contents
from vog.checkpoints.read_checkpoint import read_weights as read_weights
from vog.checkpoints.reader import Reader as Reader
from vog.checkpoints.reader import ReadSpec as ReadSpec
from vog.checkpoints.reader import refuse_mixed_keys as refuse_mixed_keys
from vog.checkpoints.rename_weights import NamesSpec as NamesSpec
from vog.checkpoints.stages import Stage as Stage
from vog.checkpoints.stages import StagesSpec as StagesSpec
from vog.checkpoints.stages import cut_stages as cut_stages
from vog.checkpoints.stages import pick_checkpoints as pick_checkpoints
from vog.checkpoints.stages import segments as segments
from vog.checkpoints.stamps import Stamp as Stamp
from vog.checkpoints.stamps import stamp as stamp
