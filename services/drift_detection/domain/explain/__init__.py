"""Why an incident: which features changed how, since when, and in which slices of the rows."""
