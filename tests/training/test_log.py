"""Where lines for people go."""

import logging

import pytest

from simmtm_sk.training.log import say


def test_lines_go_to_the_standard_output(capsys):
    say("pre-training")
    assert capsys.readouterr() == ("[SimMTM] pre-training\n", "")


@pytest.fixture
def logger():
    logger = logging.getLogger("simmtm_sk")
    handlers, propagate = logger.handlers[:], logger.propagate
    yield logger
    logger.handlers[:], logger.propagate = handlers, propagate


def test_a_program_may_have_them_elsewhere(logger, capsys, caplog):
    logger.handlers.clear()
    logger.propagate = True
    say("pre-training")
    assert capsys.readouterr() == ("", "")
    assert caplog.messages == ["[SimMTM] pre-training"]
    logger.setLevel(logging.WARNING)
    say("not heard")
    logger.setLevel(logging.INFO)
    assert len(caplog.messages) == 1
