"""The models that serve: loaded from bundles, checked, warmed, published and dropped."""
