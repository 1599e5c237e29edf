"""The training loop and pre-training. Knows networks and rows, not estimators."""
