"""Known faults planted into a copy of data, so that it shows which score finds them."""

from vog.data.planting.planted_dataset import PlantedDataset as PlantedDataset
from vog.data.planting.planted_dataset import reopen as reopen
from vog.data.planting.planted_folder import plant as plant
