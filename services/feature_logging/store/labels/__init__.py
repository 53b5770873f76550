"""Who meets whom: labels and predictions, the pairs that they make, and what of both is still alone."""
