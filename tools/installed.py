"""Try a package that was installed into an empty environment: no file of the project is near."""

from importlib.metadata import files

import numpy as np

import simmtm_sk
from simmtm_sk.datasets import load_dataset

assert "site-packages" in str(simmtm_sk.__file__), simmtm_sk.__file__
names = [str(file) for file in files("simmtm_sk") or ()]
assert any(name.endswith("py.typed") for name in names), "py.typed is missing"
X, y = load_dataset("ItalyPowerDemand", split="train")
classifier = simmtm_sk.SimMTMClassifier(random_state=0).fit(X[:20], y[:20])
accuracy = classifier.score(X[20:], y[20:])
assert accuracy > 0.8, accuracy
gappy = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
assert np.isfinite(simmtm_sk.SimMTMImputer().fit_transform(gappy)).all()
print(f"simmtm_sk {simmtm_sk.__version__}: accuracy {accuracy:.3f}")
