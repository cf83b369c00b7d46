"""The open inference protocol, versions 1 and 2, as KServe and Triton speak it.

    given = v2.parse(body, header_length)       # tensors → a clip and its options
    given.inference.reply(card, result)         # an answer → tensors

The package knows no server. `v1` has the envelopes of version 1. Of version 2, `wire` has the shape
of JSON, `tensors` reads a tensor's values, `outputs` makes an answer's tensors, and `metadata`
describes a model.
"""
