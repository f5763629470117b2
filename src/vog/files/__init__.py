"""Files on disk, which are read and written so that nobody ever sees half of one."""
