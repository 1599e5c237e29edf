"""The method in pure torch: views, encoders, objective. Knows no estimators and no containers."""
