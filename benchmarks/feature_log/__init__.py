"""How fast the feature log writes and is read, how long a commit takes, and what is lost when it is killed."""
