"""Long chains cut into lanes that are walked together: what one lane hands to the next.

A lane's incoming message is guessed first. After the walk the message that the lane before hands
over is known, and the lane is walked again, only until its messages agree with what is there to
`_AGREE`: chains forget, so that takes tens of steps. Messages that agree in every entry, relative
to its size, agree as well ever after, because a step mixes entries with positive weights
(Birkhoff 1957). Where too many lanes are walked again to their end, as in nearly deterministic
chains, where tables have zeros, and where lanes are short, each lane's K x K transfer product
gives the exact messages instead.
"""

from __future__ import annotations

from functools import cached_property
from operator import mul

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.lockstep import LEAST, Walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_AGREE = 1e-13
_NEGLIGIBLE = 1e-200  # entries that needn't agree
_CLOSE = 1e-9  # what products hand over and what the walk then finds must agree so far
_EVERY = 4  # steps between comparisons
_ROUNDS = 4  # walks again before products are made
_NARROW = 48  # products of more states than that cost more than a few walks
_LIST = 4  # lanes ready at once up to which lists are quicker
_TINY = 6  # and states
_ALIKE = 200.0  # logs of norms that differ by less can be taken together
_SHORT = 40  # lanes of fewer steps are not worth a guess


class Lanes:
    """A walk over lanes, whose boundary messages are guessed and mended, or made by products."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.pieces, self.space = walk, walk.pieces, walk.space
        self.inner = np.flatnonzero(self.pieces.inner)  # go on from another lane
        self.outer = np.flatnonzero(self.pieces.after >= 0)  # go on into another lane
        self.by_product = self.space.forgets_late or (
            walk.states <= _NARROW and (walk.transitions.sparse or self.pieces.steps < _SHORT)
        )
        self._transfer: _Transfer | None = None

    def forward(self) -> None:
        """Walk forward; afterwards every lane's messages are exact to rounding."""
        walk, done = self.walk, False
        if self.by_product or self.space.came is None:
            walk.weigh()
        if not self.by_product:
            given = self._likely() if self.space.came is None else self.space.came
            given[:, ~(given.sum(axis=0) > 0.0)] = 1.0  # nothing came from an impossible lane
            walk.forward(self._coming(given))
            done = self._mend_forward(given)
            self.space.forgets_late = self.by_product = not done
        if not done:
            given = self._transfers().forward()
            walk.forward(self._coming(given))
            self._distrust(self.inner, given[:, self.inner], self._handed_on())
        self.space.came = given

    def backward(self) -> None:
        """Walk backward, after `forward`."""
        walk, done = self.walk, False
        if not self.by_product:
            given = np.ones((walk.states, len(self.pieces.lengths)))
            if self.space.went is not None:
                given = self.space.went
            given = self._level(given)
            walk.backward(given)
            done = self._mend_backward(given)
            self.space.forgets_late = not done
        if not done:
            given = self._level(self._transfers().backward())
            walk.backward(given)
            self._distrust(self.outer, given[:, self.outer], self._handed_back())
        self.space.went = given

    def pairs_between(self) -> Floats:
        """Sums of left and right messages over the lanes' first rows, (K, K)."""
        left = self._handed_on()
        found: Floats = left @ self.space.right[0][:, self.inner].T
        return found

    # --- what is handed over ---------------------------------------------------------------------

    def _likely(self) -> Floats:
        """A guess: what the row before a lane says alone."""
        found = self.space.flat_weight[self.space.last_cells][:, self.pieces.before]
        found /= np.maximum(found.sum(axis=0), LEAST)
        return found

    def _coming(self, given: Floats) -> Floats:
        """Predicted messages at the lanes' first rows; ones where a chain begins."""
        found = np.ones_like(given)
        walk = self.walk
        index = walk.index[0]
        used = None if index is None else index[self.inner]
        found[:, self.inner] = walk.transitions.ahead(given[:, self.inner], used)
        return found

    def _handed_on(self) -> Floats:
        """The forward messages that inner lanes get, (K, inner)."""
        ends = self.space.last_cells[:, self.pieces.before[self.inner]]
        return self.space.flat_left[ends]

    def _handed_back(self) -> Floats:
        """The backward messages that outer lanes get, (K, outer), scaled like the walk's."""
        walk, after = self.walk, self.pieces.after[self.outer]
        index = walk.index[0]
        used = None if index is None else index[after]
        found = walk.transitions.back(self.space.right[0][:, after], used)
        if walk.careful:
            found = np.clip(found, LEAST, None)
        return self._levelled(found, self.outer)

    def _level(self, given: Floats) -> Floats:
        """Backward messages at the lanes' last rows, scaled; ones where a chain ends."""
        found = np.ones_like(given)
        some = given[:, self.outer]
        if self.walk.careful:
            some = np.clip(some, LEAST, None)
        found[:, self.outer] = self._levelled(some, self.outer)
        return found

    def _levelled(self, messages: Floats, ranks: Ints) -> Floats:
        left = self.space.flat_left[self.space.last_cells[:, ranks]]
        left *= messages
        messages /= np.maximum(left.sum(axis=0), LEAST)
        return messages

    def _distrust(self, ranks: Ints, given: Floats, found: Floats) -> None:
        """Suspect chains where what products gave isn't what the walk then finds."""
        gap = np.abs(given - found) > _CLOSE * np.maximum(given, found) + _NEGLIGIBLE
        self.walk.suspect[ranks[gap.any(axis=0)]] = True

    def _transfers(self) -> _Transfer:
        if self._transfer is None:
            self._transfer = _Transfer(self.walk)
        return self._transfer

    # --- guesses mended --------------------------------------------------------------------------

    def _mend_forward(self, given: Floats) -> bool:
        """Walk lanes again that were given something else; False where that doesn't end soon."""
        for _ in range(_ROUNDS):
            found = self._handed_on()
            wrong = ~_agree(found, given[:, self.inner])
            if not wrong.any():
                return True
            ranks = self.inner[wrong]
            given[:, ranks] = found[:, wrong]
            if self._again_forward(ranks, given[:, ranks], given) > 1 + len(self.inner) // 4:
                return False
        return False

    def _all_forward(self, given: Floats) -> tuple[int, Ints, Floats]:
        """Walk all lanes forward together until most agree with what is there.

        How many steps that took, the lanes that don't agree yet, and their messages.
        """
        space, walk = self.space, self.walk
        before, ranks = self._coming(given), self.inner
        t = 0
        for t in range(int(self.pieces.lengths[-1])):
            left, scale, inverse = space.left[t], space.scales[t], space.inverses[t]
            compared = t % _EVERY == _EVERY - 1
            now = walk.transitions.ahead(before, walk.index[t]) if compared else left
            if not t:
                np.copyto(now, before)
            elif not compared:
                walk.transitions.ahead(before, walk.index[t], now)
            np.multiply(now, space.weight[t], out=now)
            np.add.reduce(now, axis=0, out=scale)
            if walk.careful:
                np.maximum(scale, LEAST, out=scale)
            np.divide(1.0, scale, out=inverse)
            np.multiply(now, inverse, out=now)
            before = now
            if compared:
                ranks = np.flatnonzero(~_agree(now, left))
                left[...] = now
                if 8 * len(ranks) < len(self.pieces.lengths):
                    break
        return t + 1, ranks, before[:, ranks]

    def _again_forward(self, ranks: Ints, message: Floats, given: Floats) -> int:
        """Walk lanes forward until they agree with what is there; how many never did."""
        space, walk, late = self.space, self.walk, 0
        begin = 0
        if 2 * len(ranks) >= len(self.pieces.lengths):
            begin, ranks, message = self._all_forward(given)
        for t in range(begin, self.pieces.steps):
            going = int(np.searchsorted(ranks, self.pieces.counts[t]))
            if going < len(ranks):
                late += len(ranks) - going
                ranks, message = ranks[:going], message[:, :going]
            if not going:
                break
            index = walk.index[t]
            message = walk.transitions.ahead(message, None if index is None else index[ranks])
            message *= space.weight[t][:, ranks]
            scale = message.sum(axis=0)
            if walk.careful:
                np.maximum(scale, LEAST, out=scale)
            inverse = 1.0 / scale
            message *= inverse
            agree = None
            if t % _EVERY == _EVERY - 1:
                agree = _agree(message, space.left[t][:, ranks])
            space.left[t][:, ranks] = message
            space.scales[t][ranks] = scale
            space.inverses[t][ranks] = inverse
            if agree is not None and agree.any():
                ranks, message = ranks[~agree], message[:, ~agree]
        else:
            late += len(ranks)
        return late

    def _mend_backward(self, given: Floats) -> bool:
        """As `_mend_forward`, from the lanes' ends."""
        for _ in range(_ROUNDS):
            found = self._handed_back()
            wrong = ~_agree(found, given[:, self.outer])
            if not wrong.any():
                return True
            ranks = self.outer[wrong]
            given[:, ranks] = found[:, wrong]
            if self._again_backward(ranks, given[:, ranks], given) > 1 + len(self.outer) // 4:
                return False
        return False

    def _all_backward(self, given: Floats) -> tuple[int, Ints, Floats]:
        """As `_all_forward`, from the ends of lanes that are equally long, or but for one row.

        The step at which most agree, the lanes that don't, and what they have there.
        """
        space, walk, pieces = self.space, self.walk, self.pieces
        after, ranks, t = np.empty((walk.states, 0)), self.outer, pieces.steps - 1
        for t in range(pieces.steps - 1, -1, -1):
            going, width = after.shape[1], int(pieces.counts[t])
            message = np.empty((walk.states, width))
            if going:
                message[:, :going] = walk.transitions.back(after, walk.index[t + 1])
            message[:, going:] = given[:, going:width]
            if walk.careful:
                walk.guard(message, slice(0, width))
            compared = (pieces.steps - t) % _EVERY == 0
            after = np.empty_like(message) if compared else space.right[t]
            np.multiply(space.weight[t], message, out=after)
            np.multiply(after, space.inverses[t], out=after)
            np.multiply(message, space.left[t], out=space.posterior[t])
            if compared:
                ranks = np.flatnonzero(~_agree(after, space.right[t]))
                space.right[t][...] = after
                if 8 * len(ranks) < len(pieces.lengths):
                    break
        walk.touched = min(walk.touched, t)
        return t, ranks, after[:, ranks]

    def _again_backward(self, ranks: Ints, message: Floats, given: Floats) -> int:
        """Walk lanes backward until they agree with what is there; how many never did."""
        space, walk, pieces = self.space, self.walk, self.pieces
        states, late = np.arange(walk.states)[:, None], 0
        step = pieces.lengths[ranks] - 1
        after, begin = message, 0
        if 2 * len(ranks) >= len(pieces.lengths) and pieces.lengths[-1] >= pieces.steps - 1:
            reached, ranks, after = self._all_backward(given)
            begin, step = pieces.steps - reached, np.full(len(ranks), reached - 1)
        for u in range(begin, pieces.steps):
            going = step >= 0
            if not going.all():
                late += int(np.count_nonzero(~going))
                ranks, step, after = ranks[going], step[going], after[:, going]
            if not len(ranks):
                break
            if u:
                index = None
                if walk.row_index is not None:
                    index = walk.row_index[pieces.starts[ranks] + step + 1]
                message = walk.transitions.back(after, index)
            if walk.careful:
                walk.guard(message, ranks)
            walk.touched = min(walk.touched, int(step.min()))
            row = pieces.offsets[step] + ranks
            cells = (walk.states * pieces.offsets[step] + ranks) + states * pieces.counts[step]
            after = space.flat_weight[cells]
            after *= message
            after *= space.inverse[row]
            agree = None
            if u % _EVERY == _EVERY - 1:
                agree = _agree(after, space.flat_right[cells])
            space.flat_right[cells] = after
            space.flat_posterior[cells] = message * space.flat_left[cells]
            step = step - 1
            if agree is not None and agree.any():
                ranks, step, after = ranks[~agree], step[~agree], after[:, ~agree]
        else:
            late += len(ranks)
        return late


def _agree(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Whether columns agree in every entry."""
    gap = np.abs(one - other)
    found: NDArray[np.bool_] = np.logical_and.reduce(gap <= _AGREE * one + _NEGLIGIBLE, axis=0)
    return found


class _Transfer:
    """Each lane's transfer product, as K forward walks from one state each.

    products : (K_to, K_from, lanes), each column normalised; logs : (K_from, lanes) of the norms.
    Column i starts in state i of the row before, in a chain's first lane in its own first row.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk, self.pieces = walk, walk.pieces
        pieces, states = walk.pieces, walk.states
        self.ranks = np.flatnonzero(pieces.inner | (pieces.after >= 0))
        ranks, count = self.ranks, len(self.ranks)
        self.slot = np.full(len(pieces.lengths), -1)
        self.slot[ranks] = np.arange(count)
        self.products = np.empty((states, states, count))
        self.logs = np.zeros((states, count))
        self.products[:] = np.eye(states)[:, :, None]
        begins = ~pieces.inner[ranks]
        for t in range(pieces.steps):
            going = int(np.searchsorted(ranks, pieces.counts[t]))
            if not going:
                break
            self._step(t, going, begins[:going] if not t else None)

    def _step(self, t: int, going: int, begins: NDArray[np.bool_] | None) -> None:
        walk, ranks = self.walk, self.ranks[:going]
        states = walk.states
        index = walk.index[t]
        before = self.products[:, :, :going]
        used = None if index is None else np.tile(index[ranks], states)
        after = walk.transitions.ahead(before.reshape(states, -1), used).reshape(before.shape)
        if begins is not None:
            np.copyto(after, before, where=begins)
        after *= walk.space.weight[t][:, None, ranks]
        scale = after.sum(axis=0)
        np.maximum(scale, LEAST, out=scale)
        np.divide(after, scale, out=before)
        self.logs[:, :going] += np.log(scale, out=scale)

    def forward(self) -> Floats:
        """The forward message that each lane gets, (K, pieces); ones where a chain begins."""
        if self.few is not None:
            return self._forward_each(self.few)
        found = np.ones((self.walk.states, len(self.pieces.lengths)))
        for ranks in self.pieces.by_order[:-1]:
            going = ranks[self.pieces.after[ranks] >= 0]
            weight = _weights(found[:, going], self.logs[:, self.slot[going]])
            message = (self.products[:, :, self.slot[going]] * weight).sum(axis=1)
            message /= np.maximum(message.sum(axis=0), LEAST)
            found[:, self.pieces.after[going]] = message
        return found

    def backward(self) -> Floats:
        """The backward message that each lane gets, up to scale; ones where a chain ends."""
        if self.few is not None:
            return self._backward_each(self.few)
        found = np.ones((self.walk.states, len(self.pieces.lengths)))
        for ranks in reversed(self.pieces.by_order[1:]):
            slots = self.slot[ranks]
            message = (self.products[:, :, slots] * found[:, None, ranks]).sum(axis=0)
            found[:, self.pieces.before[ranks]] = _weights(message, self.logs[:, slots])
        return found

    # Where no more than a few lanes are ready at once, numbers in lists are quicker than arrays.

    @cached_property
    def few(self) -> list[list[list[float]]] | None:
        """Each slot's product as lists [to][from], where these are few, small and alike in size."""
        pieces, logs = self.pieces, self.logs
        if len(self.ranks) > _LIST * len(pieces.by_order) or self.walk.states > _TINY:
            return None
        apart = (logs.max(axis=0) - logs.min(axis=0))[pieces.inner[self.ranks]]
        if not (apart < _ALIKE).all():  # where a chain begins all columns count alike
            return None
        scaled = self.products * np.exp(logs - logs.max(axis=0))
        found: list[list[list[float]]] = scaled.transpose(2, 0, 1).tolist()
        return found

    def _forward_each(self, products: list[list[list[float]]]) -> Floats:
        pieces, slot = self.pieces, self.slot.tolist()
        found = [[1.0] * self.walk.states for _ in slot]
        after = pieces.after.tolist()
        for ranks in pieces.by_order[:-1]:
            for rank in ranks.tolist():
                if after[rank] >= 0:
                    values = found[rank]
                    message = [sum(map(mul, row, values)) for row in products[slot[rank]]]
                    total = max(sum(message), LEAST)
                    found[after[rank]] = [m / total for m in message]
        return np.array(found).T.copy()

    def _backward_each(self, products: list[list[list[float]]]) -> Floats:
        pieces, slot = self.pieces, self.slot.tolist()
        found = [[1.0] * self.walk.states for _ in slot]
        before = pieces.before.tolist()
        for ranks in reversed(pieces.by_order[1:]):
            for rank in ranks.tolist():
                values = found[rank]
                columns = zip(*products[slot[rank]], strict=True)
                message = [sum(map(mul, column, values)) for column in columns]
                top = max(*message, LEAST)
                found[before[rank]] = [m / top for m in message]
        return np.array(found).T.copy()


def _weights(values: Floats, logs: Floats) -> Floats:
    """values * exp(logs), each column divided by its largest entry."""
    with np.errstate(divide="ignore"):
        found: Floats = np.log(values) + logs
    top = found.max(axis=0)
    found -= np.where(top == -np.inf, 0.0, top)
    np.exp(found, out=found)
    return found
