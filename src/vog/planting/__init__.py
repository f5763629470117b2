"""Known faults planted into a copy of data, so that it shows which score finds them."""

from vog.planting.plant_faults import plant as plant
from vog.planting.planted_dataset import PlantedDataset as PlantedDataset
from vog.planting.planted_dataset import reopen as reopen
