"""Self-supervised representations of time series (SimMTM) for scikit-learn and sktime."""
