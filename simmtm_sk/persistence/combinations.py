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
_LARGEST_SUMMARY = 2**28  # numbers that a ridge sums up its window with
_MOST_MEMBERS = 100


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
    """Build a combination when its members are known to have the sizes of the tensors.

    Raises
    ------
    ValueError, ArtifactError
        If `choose_members` would not choose them.
    """
    if not 0 < len(members) <= _MOST_MEMBERS or look_back > _LONGEST:
        raise ValueError(f"no fit ends with {len(members)} members and a window of {look_back}.")
    tensors.check_shape("weights", (len(members), horizon))
    specs = []
    for number, entries in enumerate(members):
        spec = _member(StateReader(entries, f"members.{number}"))
        _check_member(spec, n_series)
        if spec.kind == "ridge":
            shape = (spec.n_maps, spec.n_features, horizon)
            tensors.check_shape(f"members.{number}.coef", shape)
        specs.append(spec)
    combination = Combination(specs, horizon, n_series, look_back, encoder)
    state = combination.state_dict()
    tensors.fill({name: state[name] for name in state if not name.startswith(ENCODER)})
    return combination


def _check_member(spec: Member, n_series: int) -> None:
    """Refuse a member that would fail, or take far more memory than any fit, when it forecasts."""
    if spec.kind == "profile":
        fits = spec.period * spec.n_periods == spec.length
        fits = fits and 0 <= spec.memory <= 1 and 0 <= spec.level_memory <= 1
    else:
        fits = spec.n_maps in (1, n_series) and spec.length * spec.n_features <= _LARGEST_SUMMARY
    if not fits:
        raise ValueError(f"no fit ends with the member {spec!r:.200}.")


def _member(state: StateReader) -> Member:
    length = state.integer("length", 1, _LONGEST)
    spec = Member(
        kind=state.text("kind", MEMBER_KINDS),
        length=length,
        anchored=state.flag("anchored"),
        n_recent=state.integer("n_recent", 0, length),
        fineness=state.integer("fineness", 1, _LONGEST),
        n_maps=state.integer("n_maps", 1),
        period=state.integer("period", 0, length),
        n_periods=state.integer("n_periods", 0, length),
        memory=state.number("memory"),
        level_memory=state.number("level_memory"),
        penalty=state.number("penalty"),
        modelled="modelled" in state and state.flag("modelled"),  # there were none at first
    )
    state.finish()
    return spec
