"""Pure functions from columns of a result to small frozen answers."""
