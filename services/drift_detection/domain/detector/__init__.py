"""The alarm: bets against "nothing has changed", over all streams of a model, with one budget of false alarms."""
