"""Reports on the quality of data: on windows as they are published, and on feeds that are silent."""
