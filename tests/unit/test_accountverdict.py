"""At which layer an account fails, for every way in which the two can answer."""

from __future__ import annotations

import pytest

from wizard.accountverdict import Layer, Reply, Tried, verdict

_YES, _NO, _SILENT, _NOT = Reply.ACCEPTED, Reply.REFUSED, Reply.SILENT, Reply.UNTRIED


def _tried(behind: tuple[Reply, ...], front: tuple[Reply, ...]) -> list[Tried]:
    return [
        *(Tried(Layer.BACK_END, "saslauthd", reply, "said", "Because of it.") for reply in behind),
        *(Tried(Layer.POSTFIX, f"submission, {at}", reply, "said") for at, reply in enumerate(front)),
    ]


@pytest.mark.parametrize(
    ("behind", "front", "ok", "text", "why"),
    [
        ((_YES,), (_YES, _YES), True, "Both layers accept it: this account can log in.", ""),
        ((_YES,), (_YES, _NOT), True, "Both layers accept it: this account can log in.", ""),
        ((_NOT,), (_YES,), True, "Postfix accepts it: this account can log in.", ""),
        ((), (_YES,), True, "Postfix accepts it: this account can log in.", ""),
        ((_NO,), (_NO,), False, "It fails at the back end, which refuses it.", "Because of it."),
        ((_YES, _NO), (_NO,), False, "It fails at the back end, which refuses it.", "Because of it."),
        ((_NO, _SILENT), (_NO,), False, "It fails at the back end, which can't be asked.", "Because of it."),
        ((_SILENT,), (_NO,), False, "It fails at the back end, which can't be asked.", "Because of it."),
        (
            (_YES,),
            (_NO, _NO),
            False,
            "It fails at Postfix: the back end accepts it, Postfix refuses it everywhere.",
            "The log.",
        ),
        (
            (_YES,),
            (_NO, _YES, _NOT),
            False,
            "It fails at Postfix: the back end accepts it, Postfix refuses it in 1 of 2 ways.",
            "The log.",
        ),
        ((), (_NO,), False, "It fails at Postfix: Postfix refuses it everywhere.", "The log."),
        (
            (_SILENT,),
            (_YES,),
            True,
            "Postfix accepts it; the back end itself can't be asked.",
            "Because of it.",
        ),
    ],
)
def test_the_layer_is_named(
    behind: tuple[Reply, ...], front: tuple[Reply, ...], ok: bool, text: str, why: str
) -> None:
    found = verdict(_tried(behind, front), "The log.")
    assert (found.ok, found.text, found.why) == (ok, text, why)


def test_a_way_past_the_back_end_is_no_success() -> None:
    found = verdict(_tried((_NO,), (_NO, _YES)))
    assert not found.ok
    assert found.text == "The back end does not accept it, but Postfix does: submission, 1."
    assert "past it" in found.why


@pytest.mark.parametrize("front", [(), (_NOT,)])
def test_nothing_to_log_in_to_is_no_success(front: tuple[Reply, ...]) -> None:
    found = verdict(_tried((_YES,), front))
    assert (found.ok, found.text) == (False, "It fails at Postfix: a password gets nobody in there.")
