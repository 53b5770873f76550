"""How well a model does: expected from its scores, measured by the labels that come for them."""
