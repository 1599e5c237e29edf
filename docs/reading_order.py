"""The order of the gallery: what people come for, then how it is tuned, then how it is extended."""

FILES = [
    "plot_quickstart.py",
    "plot_classifier.py",
    "plot_few_labels.py",
    "plot_forecasting.py",
    "plot_fill_gaps.py",
    "plot_anomalies.py",
    "plot_clusters_and_neighbors.py",
    "plot_one_encoder.py",
    "plot_regression.py",
    "plot_missing_and_unequal.py",
    "plot_transfer.py",
    "plot_grid_search.py",
    "plot_classification_benchmark.py",
    "plot_forecasting_benchmark.py",
    "plot_masked_views.py",
    "plot_own_encoder.py",
    "plot_own_objective.py",
]


def place(file_name: str) -> tuple[int, str]:
    """Return the key of an example; those that are not listed come last."""
    return (FILES.index(file_name) if file_name in FILES else len(FILES)), file_name
