"""From verdicts on panes to incidents: what is judged, remembered and told of a champion."""
