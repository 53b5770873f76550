"""The database that governance owns: every change of state is one transaction with its audit entry and its events."""
