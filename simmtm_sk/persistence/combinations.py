"""Combinations of simple forecasts in artifacts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..nn.combination import Combination
from ..nn.forecast import Forecast
from ..nn.members import MEMBER_KINDS, Member
from .readers import StateReader, TensorReader

ENCODER = "encoder."  # what the names of its tensors begin with
_LONGEST = 2**20  # points that a member may look at


def members_state(combination: Combination) -> list[dict[str, Any]]:
    """Return what `restored_combination` builds the members from."""
    return [asdict(member) for member in combination.specs]


def restored_combination(
    members: list[dict[str, Any]],
    tensors: TensorReader,
    horizon: int,
    n_series: int,
    look_back: int,
    encoder: Forecast | None,
) -> Combination:
    """Build a combination when its members are known to have the sizes of the tensors."""
    specs = []
    for number, entries in enumerate(members):
        spec = _member(StateReader(entries, f"members.{number}"), n_series)
        if spec.kind == "ridge":
            shape = (spec.n_maps, spec.n_features, horizon)
            tensors.check_shape(f"members.{number}.coef", shape)
        specs.append(spec)
    combination = Combination(specs, horizon, n_series, look_back, encoder)
    state = combination.state_dict()
    tensors.fill({name: state[name] for name in state if not name.startswith(ENCODER)})
    return combination


def _member(state: StateReader, n_series: int) -> Member:
    length = state.integer("length", 1, _LONGEST)
    spec = Member(
        kind=state.text("kind", MEMBER_KINDS),
        length=length,
        anchored=state.flag("anchored"),
        n_recent=state.integer("n_recent", 0, length),
        fineness=state.integer("fineness", 1, _LONGEST),
        n_maps=state.integer("n_maps", 1, n_series),
        period=state.integer("period", 0, length),
        n_periods=state.integer("n_periods", 0, length),
        level_share=state.number("level_share"),
    )
    state.finish()
    return spec
