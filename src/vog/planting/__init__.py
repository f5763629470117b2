"""Plant known faults into a copy of data, to measure which score finds them."""

from vog.planting.plant_faults import plant as plant
from vog.planting.planted_dataset import PlantedDataset as PlantedDataset
from vog.planting.planted_dataset import reopen as reopen
