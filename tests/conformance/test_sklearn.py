"""scikit-learn's own suite; nothing is declared as an expected failure."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMImputer,
    SimMTMOutlierDetector,
    SimMTMTransformer,
)

SMALL = {"num_epochs": 1, "projection_dim": 4, "batch_size": 64}
TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 2, "d_feedforward": 4}
# of the same shape as what the checks find in the signature, and small enough to fit in no time
INSTANCES = [
    SimMTMTransformer(encoder=ConvEncoder(d_model=4, n_layers=2), **SMALL),
    SimMTMTransformer(encoder=PointEncoder(**TOKENS), masking="random", n_masks=1, **SMALL),
    SimMTMTransformer(  # the checks fit series of a single point
        encoder=PatchEncoder(patch_length=1, **TOKENS),
        masking="patch",
        constraint_weight="learned",
        layers="last",
        **SMALL,
    ),
    SimMTMImputer(),
    SimMTMOutlierDetector(
        transformer=SimMTMTransformer(
            encoder=ConvEncoder(d_model=4, n_layers=1), num_epochs=0, pooling=("filters", "scale")
        )
    ),
]


@parametrize_with_checks(INSTANCES)
def test_sklearn(estimator, check):
    check(estimator)
