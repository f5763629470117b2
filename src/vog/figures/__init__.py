"""What is seen: charts by Altair, grids of images by Pillow."""
