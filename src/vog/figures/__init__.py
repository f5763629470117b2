"""Figures of a run: charts by Altair, grids of images by Pillow."""
