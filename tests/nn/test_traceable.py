"""What an exporter is given does the same as what is done elsewhere."""

import pytest
import torch

from simmtm_sk.nn.traceable import compared, power_of_two

MAGNITUDES = torch.tensor([0.0, 1e-30, 0.3, 1.0, 1.5, 2.0, 1023.9, 1e30])


class Comparison(torch.nn.Module):
    def forward(self, a, b):
        return compared(torch.ge, a, b, torch.empty_like(a))


class Unit(torch.nn.Module):
    def forward(self, magnitude):
        return power_of_two(magnitude)


def exported(module, *example):
    return torch.export.export(module, example).module()


def test_power_of_two():
    unit = power_of_two(MAGNITUDES)
    positive, units = MAGNITUDES[1:], unit[1:]
    assert ((units <= positive) & (positive < 2 * units)).all()
    assert (torch.frexp(unit).mantissa == 0.5).all()
    torch.testing.assert_close(exported(Unit(), MAGNITUDES)(MAGNITUDES), unit, rtol=0, atol=0)


@pytest.mark.parametrize("b", [torch.tensor(0.3), MAGNITUDES.flip(0)])
def test_compared_writes_into_what_it_is_given(b):
    out = torch.full_like(MAGNITUDES, 7)
    assert compared(torch.ge, MAGNITUDES, b, out) is out
    assert out.tolist() == [float(x) for x in b <= MAGNITUDES]
    torch.testing.assert_close(exported(Comparison(), MAGNITUDES, b)(MAGNITUDES, b), out)
