"""What to retrain, when, and whether the challenger is better: pure, with every time a parameter."""
