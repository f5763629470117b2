"""The report: one page that says what a run found, opens offline, and can be sent to anybody."""
