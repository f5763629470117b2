"""Archives of images, read member by member without unpacking them."""
