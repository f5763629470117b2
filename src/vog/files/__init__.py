"""Files on disk: read and written so that nobody ever sees half of one."""
