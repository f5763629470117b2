"""Tables as examples: rows of files and of objects in memory, with columns of any kind."""
