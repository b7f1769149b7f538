"""The words that decided: how the log-odds of "positive" change when a word of the review is hidden.

A hidden word is shown as infrequent, which training does to one word in five, so it is nothing new to the
model. The changes are exact: found by reading, not by gradients. What makes them cheap is that the LSTM reads
segments side by side: a hidden word has one segment read anew, not the review.
"""

import torch
from torch import Tensor
from torch.nn import functional

from model import INFREQUENT, PADDING, SentimentModel, pad
from spans import locate
from text import Vocabulary, cut, tokenize

METHOD = "hidden_words"  # stands in the answer
BATCH = 64  # segments that are read at once


def explain(review: str, ids: list[int], model: SentimentModel, vocabulary: Vocabulary) -> dict:
    """The words that were read, [start, end, change] each, in the order of the text; ids are theirs. Of a
    review that is too long to be read whole, "skipped" is [start, end] of what was not.

    Where it cannot be told where they stand in the review, "located" is false and there are none.
    """
    recipe = vocabulary.recipe
    total = len(tokenize(review, recipe))
    counts = {"words_read": min(total, recipe.max_length), "words_total": total}
    found = locate(review, recipe)
    if found is None:
        return {"method": METHOD, "words": [], **counts, "located": False}
    spans = cut(found, recipe)
    changed = changes(model, ids)[: len(spans)]  # a review without any word has one id
    words = [[start, end, round(change, 4)] for (_, start, end), change in zip(spans, changed, strict=True)]
    unread = sorted(set(range(total)) - set(cut(list(range(total)), recipe)))
    skipped = {"skipped": [found[unread[0]][1], found[unread[-1]][2]]} if unread else {}
    return {"method": METHOD, "words": words, **skipped, **counts}


@torch.inference_mode()
def changes(model: SentimentModel, ids: list[int]) -> list[float]:
    """For each word, log_odds of the review less log_odds with it hidden: above 0 it pushes towards positive.

    [5, 9, 1] -> [1.25, -0.5, 0.0]: an infrequent word is hidden already.
    """
    review = pad([ids])  # (1, words)
    change = (_of_order(model, review) + _of_presence(model, review)) / 2  # (words,)
    return change.masked_fill(review[0] == INFREQUENT, 0.0).tolist()


def _of_presence(model: SentimentModel, review: Tensor) -> Tensor:
    """What the linear term loses with each word."""
    hiding = review.repeat(review.shape[1], 1).fill_diagonal_(INFREQUENT)  # (words, words)
    return model.read_presence(review) - model.read_presence(hiding)  # (words,)


def _of_order(model: SentimentModel, review: Tensor) -> Tensor:
    """What the LSTM loses with each word."""
    words, length = review.shape[1], model.sizes.segment_length
    segments = functional.pad(review, (0, -words % length)).view(-1, length)  # (segments, length)
    word = torch.arange(words)  # (words,)
    segment = word // length  # (words,) that holds it
    hiding = segments[segment]  # (words, length)
    hiding[word, word % length] = INFREQUENT

    highest, total = _states(model, segments)  # each (segments, 2 * hidden)
    batches = [_states(model, batch) for batch in hiding.split(BATCH)]  # each two of (batch, 2 * hidden)
    new_highest, new_total = map(torch.cat, zip(*batches, strict=True))  # each (words, 2 * hidden)
    same = torch.eye(len(segments), dtype=torch.bool).unsqueeze(2)  # (segments, segments, 1)
    highest_elsewhere = highest.masked_fill(same, -1.0).amax(1)  # (segments, 2 * hidden)
    new_highest = torch.maximum(new_highest, highest_elsewhere[segment])  # (words, 2 * hidden)
    new_total = new_total + total.sum(0) - total[segment]  # (words, 2 * hidden)

    before = torch.cat([highest.amax(0), total.sum(0) / words])  # (4 * hidden,)
    after = torch.cat([new_highest, new_total / words], 1)  # (words, 4 * hidden)
    return (model.head(before) - model.head(after)).squeeze(1)  # (words,)


def _states(model: SentimentModel, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Highest and sum of the LSTM's states over the words of each segment, each (segments, 2 * hidden)."""
    is_word = (segments != PADDING).unsqueeze(2)  # (segments, length, 1)
    states, _ = model.lstm(model.embedding(segments))  # (segments, length, 2 * hidden)
    highest = states.masked_fill(~is_word, -1.0).amax(1)  # (segments, 2 * hidden); as in read_order
    return highest, (states * is_word).sum(1)
