"""Where state is kept: a Faust table with its changelog, and the bytes of what is in it."""
