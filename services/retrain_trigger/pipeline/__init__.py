"""From labelled rows to a signed challenger bundle: the steps, and what they share."""
